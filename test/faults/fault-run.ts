import { waitFor } from '@slipstream/testing';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildApps } from '../../tools/stack/build.ts';
import { runBuilt } from '../cli/command-line.ts';
import { Journey, type Order } from '../journeys/journey.ts';
import { livesOf, type FaultPoints } from './fault-plan.ts';
import { differences, findOrderViolations, sum } from './order-violations.ts';
import { findUnpublished } from './unpublished.ts';

const SKU = 'sku-faults';
const ORDERS_A_TURN = 8;
const FOREIGN_COPIES = 3;
const FOREIGN_AMOUNT = 9_995;
const MOST_ORDERS = 30_000;
/** Seconds; longer than any run. What is killed again and again waits for longer than an order does otherwise. */
const ORDER_TIMEOUT = String(24 * 60 * 60);
/** Of a message that was met by so many deaths that it seemed to be their reason. */
const SUSPECTED = 'JS_CRASH_LOOP';
const DEATHS_A_SUSPECT = 500;
const SABOTAGE = fileURLToPath(new URL('sabotage.mjs', import.meta.url));

/** Ways to break an app, each of them against one rule, and one to make it hard; see `sabotage.mjs`. */
export type Sabotage = 'ack-before-commit' | 'inbox-off' | 'id-greater-than-last' | 'late-commits';

export interface FaultRunOptions {
  readonly points: FaultPoints;
  /** How often each point kills its app. */
  readonly times: number;
  /** Breaks all apps. */
  readonly sabotage?: Sabotage;
}

interface Expected {
  readonly amountMinor: number;
  readonly quantity: number;
}

/** The whole system under a load of orders, while its apps die at one failpoint after the other. */
export class FaultRun {
  private readonly orders = new Map<string, Expected>();
  /** By customer, orders of which nobody knows whether they were accepted. */
  private readonly unanswered = new Map<string, Expected>();
  private turns = 0;
  private placed = 0;

  private constructor(
    readonly journey: Journey,
    private readonly logs: string,
    private readonly lives: Readonly<Record<string, readonly string[]>>,
  ) {}

  static async start({ points, times, sabotage }: FaultRunOptions): Promise<FaultRun> {
    const logs = mkdtempSync(join(tmpdir(), 'slipstream-faults-'));
    const lives = Object.fromEntries(
      Object.entries(points).map(([app, names]) => [app, livesOf(names, times)]),
    );
    const env = Object.fromEntries(
      Object.entries(lives).map(([app, faults]) => [
        app,
        {
          // A last life without faults makes the list of one fault a list.
          FAULT: `${faults.join(';')};never:1:kill9`,
          FAULT_LOG: join(logs, app),
          ...(sabotage && { SABOTAGE: sabotage, NODE_OPTIONS: `--import ${SABOTAGE}` }),
        },
      ]),
    );
    // Each death here is a planned one; waiting longer after each of them would prove nothing.
    const journey = await Journey.start(env, { restartDelayMs: () => 0, env: { ORDER_TIMEOUT } });
    await journey.request('inventory-service', 'PUT', `/stock/${SKU}`, { onHand: 1_000_000 });
    return new FaultRun(journey, logs, lives);
  }

  async end(): Promise<void> {
    await this.journey.end();
    rmSync(this.logs, { recursive: true });
  }

  /** Faults that fired, by app. */
  fired(app: string): string[] {
    try {
      const lines = readFileSync(join(this.logs, app), 'utf8').trimEnd().split('\n');
      return lines.map((line) => line.slice(line.indexOf(' ') + 1));
    } catch {
      return [];
    }
  }

  /** Places orders, and has foreign ones published several times each, until every fault has fired. */
  async loadUntilAllFired(): Promise<void> {
    while (!this.hasAllFired()) {
      if (this.orders.size > MOST_ORDERS) throw new Error(`faults never fired: ${this.missing().join(', ')}`);
      await this.load();
    }
  }

  /** One turn of the load, every other one without idempotency keys: those are committed in another way. */
  async load(): Promise<void> {
    const hasKeys = this.turns++ % 2 === 0;
    const orders = Array.from({ length: ORDERS_A_TURN }, () => this.place(hasKeys));
    await Promise.all([...orders, this.publishForeign()]);
  }

  /**
   * Waits until nothing is under way any more and compares what is with what must be.
   * @returns what is wrong, in words; nothing when all is well
   */
  async findViolations(settleMs: number): Promise<string[]> {
    await waitFor('all orders to be listed', () => this.findUnanswered(), settleMs);
    await this.waitUntilSettled(settleMs);
    const suspected = await this.redriveSuspects();
    const unsettled = await this.waitUntilSettled(settleMs);
    return [
      ...suspected,
      // Slow ones are not lost: what follows tells which it is.
      ...(unsettled.length > 0
        ? [`${unsettled.length} orders did not settle, such as ${unsettled[0]}`]
        : await this.compareSettled(settleMs)),
      ...(await findUnpublished(this.journey.stack.databaseUrl)),
      ...(await this.findForgotten()),
    ];
  }

  private async compareSettled(settleMs: number): Promise<string[]> {
    const settled = await this.readAll();
    return [
      ...settled.flatMap(findOrderViolations),
      ...(await this.findMoneyViolations()),
      ...(await this.findStockViolations()),
      ...(await this.findLogViolations(settled, settleMs)),
      ...(await this.findDeadLetters()),
    ];
  }

  private hasAllFired(): boolean {
    return this.missing().length === 0;
  }

  private missing(): string[] {
    return Object.entries(this.lives).flatMap(([app, lives]) =>
      lives.slice(this.fired(app).length).map((fault) => `${app} ${fault}`),
    );
  }

  private async place(hasKey: boolean): Promise<void> {
    const index = this.placed++;
    const customerId = `cust-${index}`;
    const line = { sku: SKU, quantity: 1 + (index % 3), unitPriceMinor: 100 + (index % 900) };
    const order = { customerId, currency: 'EUR', lines: [line] };
    const expected = { amountMinor: line.quantity * line.unitPriceMinor, quantity: line.quantity };
    const orderId = hasKey
      ? await this.journey.placeOrder(order, `fault-${index}`)
      : await this.journey.placeOnce(order).catch(() => undefined);
    if (orderId === undefined) this.unanswered.set(customerId, expected);
    else this.orders.set(orderId, expected);
  }

  /** What died before it answered may have accepted an order, which is then as good as any other. */
  private async findUnanswered(): Promise<true> {
    for await (const { orderId, customerId } of this.journey.allOrders()) {
      const expected = this.unanswered.get(customerId);
      if (!expected) continue;
      this.unanswered.delete(customerId);
      this.orders.set(orderId, expected);
    }
    return true;
  }

  private async publishForeign(): Promise<void> {
    const [message_id, order_id] = [randomUUID(), randomUUID()];
    const total_amount = FOREIGN_AMOUNT / 100;
    // Found by their customers, unanswered orders would be taken for foreign ones of the same.
    const customer_id = `foreign-${order_id}`;
    const event = { message_id, order_id, customer_id, total_amount, created_at: Date.now() };
    const body = JSON.stringify(event);
    const copies = Array.from({ length: FOREIGN_COPIES }, () =>
      this.journey.publishDurably('orders.created.v1', body),
    );
    await Promise.all(copies);
    this.orders.set(order_id, { amountMinor: FOREIGN_AMOUNT, quantity: 0 });
  }

  /** @returns the orders that did not settle */
  private async waitUntilSettled(timeoutMs: number): Promise<string[]> {
    let open = [...this.orders.keys()];
    const isSettled = async (orderId: string) => {
      const order = await this.journey.order(orderId).catch(() => undefined);
      return order !== undefined && order.status !== 'pending';
    };
    await waitFor(
      'every order to settle',
      async () => {
        const states = await Promise.all(open.slice(0, 50).map(isSettled));
        open = open.filter((_, index) => !states[index]);
        return open.length === 0;
      },
      timeoutMs,
    ).catch(() => undefined);
    return open;
  }

  /**
   * With hundreds of deaths at random, some message is there at enough of them; then an operator sends it again.
   * @returns that there were too many, which would be no chance
   */
  private async redriveSuspects(): Promise<string[]> {
    const call = ['dlq', 'redrive', '--all', '--code', SUSPECTED, '--yes', '--json'];
    const { code, stdout, stderr } = await this.runCommand(call);
    if (code !== 0) throw new Error(`the redrive ended with ${code}: ${stderr}`);
    const { data } = JSON.parse(stdout) as { data: { done: number } };
    const deaths = Object.values(this.lives).flat().length;
    return data.done > deaths / DEATHS_A_SUSPECT ? [`${data.done} messages were taken for the reason`] : [];
  }

  private async runCommand(call: readonly string[]) {
    await buildApps(['cli']);
    const { natsUrl: NATS_URL, databaseUrl: DATABASE_URL } = this.journey.stack;
    return runBuilt([...call], { NATS_URL, DATABASE_URL });
  }

  private async readAll(): Promise<Order[]> {
    const orders: Order[] = [];
    for (const orderId of this.orders.keys()) orders.push(await this.journey.order(orderId));
    return orders;
  }

  private async findMoneyViolations(): Promise<string[]> {
    const wanted = {
      charges: this.orders.size,
      distinctOrders: this.orders.size,
      duplicateCharges: 0,
      refunds: 0,
      amountMinor: sum(this.orders.values(), (order) => order.amountMinor),
    };
    return differences('the gateway', wanted, await this.journey.gateway());
  }

  private async findStockViolations(): Promise<string[]> {
    const { reserved } = await this.journey.read<{ reserved: number }>('inventory-service', `/stock/${SKU}`);
    const wanted = { reserved: sum(this.orders.values(), (order) => order.quantity) };
    return differences('the stock', wanted, { reserved });
  }

  /** The audit log must tell the same story as the database, and be whole. */
  private async findLogViolations(settled: readonly Order[], settleMs: number): Promise<string[]> {
    for (const stream of ['ORDERS', 'PAYMENTS', 'INVENTORY']) {
      await waitFor(`${stream} to be quiet`, () => this.journey.isQuiet(stream), settleMs);
    }
    const { problems } = await this.journey.read<{ problems: object[] }>('audit-service', '/verify');
    const answer = await this.journey.request('audit-service', 'GET', '/replay');
    const lines = (await answer.text()).trimEnd().split('\n');
    const replayed = new Map(
      lines
        .map((line) => JSON.parse(line) as Order & { contradiction: string | null })
        .map((order) => [order.orderId, order]),
    );
    return [
      ...problems.map((problem) => `the audit log is not whole: ${JSON.stringify(problem)}`),
      ...settled.flatMap(({ orderId, status, totalMinor }) => {
        const told = replayed.get(orderId);
        const state = {
          status: told?.status,
          totalMinor: told?.totalMinor,
          contradiction: told?.contradiction,
        };
        return differences(`the log of order ${orderId}`, { status, totalMinor, contradiction: null }, state);
      }),
    ];
  }

  /** What a consumer has acked, its service's database must know; of events that were published, no stream may miss one. */
  private async findForgotten(): Promise<string[]> {
    const whole = ['--since', '2000-01-01T00:00:00Z'];
    const calls = Object.keys(this.lives).flatMap((service) => [
      ['inbox', 'reconcile', '--service', service, ...whole],
      // The log is told of, and tells nobody.
      ...(service === 'audit-service'
        ? []
        : [['outbox', 'reconcile', '--service', service, ...whole, '--until', new Date().toISOString()]]),
    ]);
    const violations: string[] = [];
    for (const call of calls) {
      const { code, stdout, stderr } = await this.runCommand(call);
      if (code !== 0) violations.push(`${call.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    }
    return violations;
  }

  private async findDeadLetters(): Promise<string[]> {
    const streams = ['ORDERS_DLQ', 'PAYMENTS_DLQ', 'INVENTORY_DLQ'];
    const letters = await Promise.all(streams.map((stream) => this.journey.deadLetters(stream)));
    return letters.flat().map((letter) => `dead letter: ${letter.header('dead-letter-message')}`);
  }
}
