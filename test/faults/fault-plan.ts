/** Names of failpoints by the app they kill, in the order of a message's life. */
export type FaultPoints = Readonly<Record<string, readonly string[]>>;

export const FAULT_POINTS: FaultPoints = {
  'order-service': [
    'group.committed',
    'relay.selected',
    'relay.published',
    'relay.marked',
    'jetstream.after-receive',
    'inbox.claimed',
    'outbox.appended',
    'inbox.committed',
    'jetstream.before-ack',
    'jetstream.before-acks-sent',
  ],
  'payment-service': [
    'jetstream.after-receive',
    'outbox.appended',
    'group.committed',
    'gateway.sent',
    'gateway.answered',
    'jetstream.before-ack',
    'relay.selected',
    'relay.published',
  ],
  'inventory-service': [
    'inbox.claimed',
    'inbox.before-commit',
    'inbox.committed',
    'jetstream.before-ack',
    'relay.published',
  ],
  'audit-service': ['audit.stored', 'audit.committed', 'jetstream.before-ack'],
};

/** Spreads the kills over the first hits of a point, so that they meet it early, in the midst and behind others. */
const LATEST_HIT = 7;

/** The lives of an app: it dies at each of the points, `times` times, each time at another hit. */
export function livesOf(points: readonly string[], times: number): string[] {
  return Array.from({ length: times }, (_, round) =>
    points.map((point, index) => `${point}:${1 + ((round * 3 + index) % LATEST_HIT)}:kill9`),
  ).flat();
}
