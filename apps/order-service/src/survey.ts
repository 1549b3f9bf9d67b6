import type { ConsumerPosition, StreamState } from '@slipstream/jetstream';

/** What this service needs to know of the streams and of their consumers, whoever runs them. */
export interface SettlementSurvey {
  readonly streams: readonly Pick<StreamState, 'stream' | 'lastSequence'>[];
  readonly consumers: readonly SettlementPosition[];
}

export type SettlementPosition = Pick<
  ConsumerPosition,
  'stream' | 'consumer' | 'pending' | 'ackPending' | 'deliveredThrough' | 'settledThrough'
>;

/** Says what the streams hold and how far their consumers are. */
export const SURVEY = Symbol('Survey');
export type TakeSurvey = () => Promise<SettlementSurvey>;
