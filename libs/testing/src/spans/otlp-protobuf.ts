import { create, createFileRegistry, fromBinary, toJson, type DescMessage } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import type { OtlpRequest } from './received-span.js';

/** A scalar, a message by its name, or a list of such messages. */
type FieldType = Type | string | readonly [string];
type Fields = Readonly<Record<string, readonly [number: number, type: FieldType]>>;

const IDS = { traceId: [1, Type.BYTES], spanId: [2, Type.BYTES] } as const;

/** What is looked at of opentelemetry/proto/trace/v1/trace.proto and its imports; other fields are skipped. */
const MESSAGES: Readonly<Record<string, Fields>> = {
  Request: { resourceSpans: [1, ['ResourceSpans']] },
  ResourceSpans: { resource: [1, 'Resource'], scopeSpans: [2, ['ScopeSpans']] },
  Resource: { attributes: [1, ['KeyValue']] },
  ScopeSpans: { spans: [2, ['Span']] },
  Span: {
    ...IDS,
    parentSpanId: [4, Type.BYTES],
    name: [5, Type.STRING],
    kind: [6, Type.INT32],
    attributes: [9, ['KeyValue']],
    links: [13, ['Link']],
    status: [15, 'Status'],
  },
  Link: IDS,
  Status: { code: [3, Type.INT32] },
  KeyValue: { key: [1, Type.STRING], value: [2, 'AnyValue'] },
  AnyValue: {
    stringValue: [1, Type.STRING],
    boolValue: [2, Type.BOOL],
    intValue: [3, Type.INT64],
    doubleValue: [4, Type.DOUBLE],
  },
};

const REQUEST = describeRequest();

/** Decodes an `ExportTraceServiceRequest`. */
export function decodeOtlp(bytes: Uint8Array): OtlpRequest {
  const decoded = toJson(REQUEST, fromBinary(REQUEST, bytes));
  return JSON.parse(JSON.stringify(decoded), withHexIds) as OtlpRequest;
}

/** Bytes are Base64 in protobuf's JSON; ids are written in hexadecimal digits everywhere else. */
function withHexIds(key: string, value: unknown): unknown {
  return /^(trace|span|parentSpan)Id$/.test(key)
    ? Buffer.from(String(value), 'base64').toString('hex')
    : value;
}

function describeRequest(): DescMessage {
  const file = create(FileDescriptorProtoSchema, {
    name: 'otlp.proto',
    syntax: 'proto3',
    messageType: Object.entries(MESSAGES).map(([name, fields]) => ({
      name,
      // Whether an attribute is 0 or of another type can only be told where presence is.
      oneofDecl: name === 'AnyValue' ? [{ name: 'value' }] : [],
      field: Object.entries(fields).map(([field, [number, type]]) => ({
        name: field,
        jsonName: field,
        number,
        ...typed(type),
        ...(name === 'AnyValue' && { oneofIndex: 0 }),
      })),
    })),
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  const request = registry.getMessage('Request');
  if (!request) throw new Error('the description of OTLP lacks its request');
  return request;
}

function typed(type: FieldType) {
  if (typeof type === 'number') return { type, label: Label.OPTIONAL };
  const [name, label] = typeof type === 'string' ? [type, Label.OPTIONAL] : [type[0], Label.REPEATED];
  return { type: Type.MESSAGE, typeName: `.${name}`, label };
}
