import type { LifeDelivery, LifeMessage, OrderLife } from '@slipstream/operations';

interface Node {
  readonly text: string;
  readonly children: readonly Node[];
}

/** An order's messages as lines of a tree: below each message its consumers, below each consumer what it published. */
export function lifeTree({ messages }: OrderLife): string[] {
  const [first] = messages;
  const beganAt = first ? Date.parse(first.at) : 0;
  const roots = messages.filter(({ cause }) => cause === null);
  return roots.flatMap((message) => draw(toNode(message, messages, beganAt)));
}

function toNode(message: LifeMessage, all: readonly LifeMessage[], beganAt: number): Node {
  const caused = all.filter(
    ({ cause }) => cause?.stream === message.stream && cause.sequence === message.sequence,
  );
  const remaining = new Set(caused);
  const children = message.deliveries.map((delivery) => {
    const own = [...remaining].filter(({ source }) => source === delivery.service);
    for (const result of own) remaining.delete(result);
    return { text: describe(delivery), children: own.map((result) => toNode(result, all, beganAt)) };
  });
  return { text: head(message, beganAt), children };
}

function head({ subject, stream, sequence, at, source }: LifeMessage, beganAt: number): string {
  const elapsed = Date.parse(at) - beganAt;
  const time = elapsed === 0 ? at : `+${elapsed} ms`;
  return `${subject}  ${stream}:${sequence}  ${time}  by ${source ?? 'somebody outside'}`;
}

function describe({ consumer, state, deadLetter, operations }: LifeDelivery): string {
  const failure = deadLetter
    ? `  ${deadLetter.id}  ${deadLetter.errorCode}: ${deadLetter.errorMessage} (attempt ${deadLetter.attempts})`
    : '';
  const done = operations.map(
    ({ kind, at, by }) => `  ${kind === 'redrive' ? 'redriven' : 'discarded'} ${at} by ${by}`,
  );
  return `${consumer}  ${state}${failure}${done.join('')}`;
}

function draw({ text, children }: Node): string[] {
  return [
    text,
    ...children.flatMap((child, index) => {
      const isLast = index === children.length - 1;
      const [line = '', ...below] = draw(child);
      return [`${isLast ? '└─' : '├─'} ${line}`, ...below.map((lower) => `${isLast ? '  ' : '│ '} ${lower}`)];
    }),
  ];
}
