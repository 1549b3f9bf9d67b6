import { registerHooks } from 'node:module';

// Preloaded into an app to break one rule. A suite that does not notice would prove nothing.

/** Transactions that draw the ids of their events early and commit late, as under a slow disk. It breaks no rule. */
const LATE_COMMITS = {
  file: 'libs/outbox/src/outbox.js',
  code: `
      const append = Outbox.prototype.append;
      let count = 0;
      Outbox.prototype.append = async function (...given) {
        await append.apply(this, given);
        if (++count % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 300));
      };`,
};

const SABOTAGES = {
  // Acks every delivery before its handler runs: what a crash interrupts is lost.
  'ack-before-commit': [
    {
      file: 'libs/jetstream/src/server/delivery-processor.js',
      code: `
      const process = DeliveryProcessor.prototype.process;
      DeliveryProcessor.prototype.process = function (deliveries) {
        for (const { message } of deliveries) message.respond(new TextEncoder().encode('+ACK'));
        return process.call(this, deliveries);
      };`,
    },
  ],
  // Takes every message for a new one: what is delivered again takes effect again.
  'inbox-off': [
    {
      file: 'libs/idempotency/src/postgres/postgres-inbox.js',
      code: `
      PostgresInbox.prototype.claimKeys = async (tx, { keys }) => new Set(keys.map((key) => key.messageId));`,
    },
  ],
  // Reads only what lies behind the last row that was published: one that was committed late is never published.
  'id-greater-than-last': [
    LATE_COMMITS,
    {
      file: 'libs/outbox/src/outbox-rows.js',
      code: `
      const read = OutboxRows.prototype.read;
      const LAST = 'SELECT coalesce(max(id), 0) FROM outbox WHERE id NOT IN (SELECT id FROM outbox_pending)';
      OutboxRows.prototype.read = async function (session, exclusion) {
        // A process that begins goes on where the one before ended, as it would with a cursor that is kept.
        this.last ??= Number((await session.query('last', LAST))[0][0]);
        const rows = await read.call(this, session, exclusion);
        const later = rows.filter(({ id }) => id > this.last);
        this.last = Math.max(this.last, ...rows.map(({ id }) => id));
        return later;
      };`,
    },
  ],
  'late-commits': [LATE_COMMITS],
};

const sabotage = SABOTAGES[process.env.SABOTAGE];
if (!sabotage) throw new Error(`SABOTAGE must be one of ${Object.keys(SABOTAGES).join(', ')}`);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const patch = sabotage.find(({ file }) => url.endsWith(file));
    if (!patch) return loaded;
    const source =
      typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
    return { ...loaded, source: `${source}\n{${patch.code}}\n` };
  },
});
