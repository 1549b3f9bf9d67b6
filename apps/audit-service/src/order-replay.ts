import { Injectable } from '@nestjs/common';
import { ProblemException } from '@slipstream/bootstrap';
import { decodeEvent, type OrderCreated } from '@slipstream/contracts';
import { isServerAnswer } from '@slipstream/jetstream';
import { bytesOf, type AuditRecord } from './audit-record.js';
import type { ReplayedOrderDto, SegmentDto } from './audit.dto.js';
import { readRecord } from './record-chain.js';
import { SegmentStore } from './segment-store.js';
import { SegmentsRepository, type ChainEnd } from './segments.repository.js';

const PAGE = 500;

/** What the log says about one order. Events count whatever their order, as they do in order-service. */
interface Trail {
  created?: OrderCreated;
  readonly events: Set<string>;
}

/** Rebuilds every order's final state from the log alone. */
@Injectable()
export class OrderReplay {
  constructor(
    private readonly segments: SegmentsRepository,
    private readonly store: SegmentStore,
  ) {}

  /** @throws ProblemException (500) when a segment cannot be read: states from part of the log would be wrong */
  async run(): Promise<ReplayedOrderDto[]> {
    const trails = new Map<string, Trail>();
    for await (const record of this.records()) follow(trails, record);
    return [...trails].map(([orderId, trail]) => conclude(orderId, trail)).toSorted(byOrderId);
  }

  private async *records(): AsyncIterable<AuditRecord> {
    // Ends of one moment: of what is recorded meanwhile, a later log would hold what an earlier one was read without.
    for (const end of await this.segments.ends()) {
      for await (const { object } of this.segmentsUpTo(end)) {
        const content = await this.store.read(object);
        if (!content) throw new ProblemException(500, { detail: damaged(object) });
        for (const line of content.toString().split('\n')) {
          const record = readRecord(line);
          if (record) yield record.content as unknown as AuditRecord;
        }
      }
    }
  }

  /** By their numbers, as they are verified: ids prove nothing, and one below zero would hide a segment from here alone. */
  private async *segmentsUpTo({ stream, segments: last }: ChainEnd): AsyncIterable<SegmentDto> {
    for (let after = 0; after < last;) {
      const page = await this.segments.listOf(stream, after, PAGE);
      yield* page.filter(({ number }) => number <= last);
      after = page.at(-1)?.number ?? last;
    }
  }
}

function damaged(object: string): string {
  return `The log is not whole: object ${object} is missing or cannot be read. /verify tells what else is wrong.`;
}

function follow(trails: Map<string, Trail>, record: AuditRecord): void {
  const event = decode(record);
  if (!event) return;
  const { orderId } = event.payload;
  const trail = trails.get(orderId) ?? { events: new Set() };
  trails.set(orderId, trail);
  const name = record.subject.slice(0, record.subject.lastIndexOf('.'));
  trail.events.add(name);
  if (name === 'orders.created') trail.created ??= event.payload as OrderCreated;
}

/** What no contract can read, and what nobody published, reached no order either: it is in the dead-letter stream. */
function decode(record: AuditRecord) {
  try {
    if (isServerAnswer(new Map(Object.entries(record.headers)))) return undefined;
    const header = (name: string) => headerOf(record, name);
    return decodeEvent({ subject: record.subject, header, data: bytesOf(record) });
  } catch {
    return undefined;
  }
}

function headerOf({ headers }: AuditRecord, name: string): string {
  const spelled = Object.keys(headers).find((key) => key.toLowerCase() === name);
  return (spelled === undefined ? undefined : headers[spelled]?.[0]) ?? '';
}

function conclude(orderId: string, { created, events }: Trail): ReplayedOrderDto {
  return {
    orderId,
    status: statusOf(events),
    customerId: created?.customerId ?? null,
    currency: created?.currency ?? null,
    totalMinor: created?.totalMinor ?? null,
    contradiction: contradictionOf(events),
  };
}

function statusOf(events: ReadonlySet<string>): ReplayedOrderDto['status'] {
  if (events.has('orders.cancelled')) return 'cancelled';
  return events.has('orders.confirmed') ? 'confirmed' : 'pending';
}

function contradictionOf(events: ReadonlySet<string>): string | null {
  const isConfirmed = events.has('orders.confirmed');
  if (isConfirmed && events.has('orders.cancelled')) return 'both confirmed and cancelled';
  if (isConfirmed && !events.has('payments.completed')) return 'confirmed without a payment';
  if (isConfirmed && !events.has('inventory.reserved')) return 'confirmed without a reservation';
  return isConfirmed && events.has('payments.refunded') ? 'confirmed, but refunded' : null;
}

function byOrderId(a: ReplayedOrderDto, b: ReplayedOrderDto): number {
  return a.orderId < b.orderId ? -1 : 1;
}
