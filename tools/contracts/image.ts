import { createFileRegistry, fromBinary, getOption, hasOption } from '@bufbuild/protobuf';
import type { DescExtension, DescField, DescMessage, FileRegistry } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { getComments } from '@bufbuild/protoplugin';
import { SetupError } from '../setup-error.ts';

const RULES = 'slipstream.rules.v1';

/** What a value has to be beyond its type; `slipstream/rules/v1/rules.proto`. */
export interface Definition {
  readonly pattern: string;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  /** Parsed JSON. */
  readonly example: unknown;
}

export interface FieldRules {
  readonly isRequired: boolean;
  readonly maxItems: number;
  readonly definition: Definition | undefined;
  /** Parsed JSON. */
  readonly example: unknown;
  readonly description: string;
}

/** The contracts as `buf build` compiled them, and what the options of the rules say of them. */
export class ContractImage {
  private readonly registry: FileRegistry;
  private readonly definitions: ReadonlyMap<number, Definition>;

  constructor(bytes: Uint8Array) {
    this.registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
    this.definitions = this.readDefinitions();
  }

  /** Messages that are events, with their subjects. */
  events(): { readonly subject: string; readonly message: DescMessage }[] {
    const subject = this.extension('subject');
    return [...this.registry]
      .filter((type) => type.kind === 'message')
      .filter((message) => hasOption(message, subject))
      .map((message) => ({ subject: String(getOption(message, subject)), message }))
      .toSorted((a, b) => (a.subject < b.subject ? -1 : 1));
  }

  rulesOf(field: DescField): FieldRules {
    const kind = Number(getOption(field, this.extension('kind')));
    const definition = this.definitions.get(kind);
    const example = String(getOption(field, this.extension('example')));
    return {
      isRequired: getOption(field, this.extension('required')) === true,
      maxItems: Number(getOption(field, this.extension('max_items'))),
      definition,
      example: example === '' ? definition?.example : (JSON.parse(example) as unknown),
      description: describe(field),
    };
  }

  private readDefinitions(): Map<number, Definition> {
    const kinds = this.registry.getEnum(`${RULES}.Kind`)?.values ?? [];
    const extension = this.extension('definition');
    return new Map(
      kinds
        .filter((kind) => hasOption(kind, extension))
        .map((kind) => {
          const { pattern, minimum, maximum, example } = getOption(kind, extension) as {
            pattern: string;
            minimum?: bigint;
            maximum?: bigint;
            example: string;
          };
          return [
            kind.number,
            { pattern, minimum: toNumber(minimum), maximum: toNumber(maximum), example: JSON.parse(example) },
          ];
        }),
    );
  }

  private extension<Extendee extends DescExtension>(name: string): Extendee {
    const extension = this.registry.getExtension(`${RULES}.${name}`);
    if (!extension) throw new SetupError(`the contracts define no option ${RULES}.${name}`);
    return extension as Extendee;
  }
}

/** The comment above a field or a message, as one line. */
export function describe(element: DescField | DescMessage): string {
  return (getComments(element).leading ?? '').trim().replaceAll(/\s*\n\s*/g, ' ');
}

function toNumber(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
