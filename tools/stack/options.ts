import { parseArgs } from 'node:util';
import { messageOf } from '../setup-error.ts';

export interface StartOptions {
  /** Orders per second from the producer. */
  readonly rate: number;
  readonly reset: boolean;
  /** NATS as in production: TLS, keys, permissions. Its data are apart. */
  readonly secure: boolean;
  readonly help: boolean;
  /** Undefined: the usual ports, or free ones where those are taken. */
  readonly portOffset: number | undefined;
  readonly natsUrl: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
}

/** The command line or the environment says something that cannot be meant. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `Usage: npm start [-- options]

  --rate N    orders per second from the producer (default 1, 0 = none)
  --reset     start with fresh data
  --secure    NATS as in production: TLS, a key for each service, narrow permissions; data of its own
  --help      show this text

Environment:
  PORT_OFFSET                         added to every port, so that several stacks run side by side
  NATS_URL, DATABASE_URL, REDIS_URL   use servers that run already`;

const HIGHEST_USUAL_PORT = 8222;

export function parseStartOptions(args: readonly string[], env: NodeJS.ProcessEnv): StartOptions {
  const { rate, reset = false, secure = false, help = false } = parseFlags(args);
  if (secure && env.NATS_URL)
    throw new UsageError('--secure brings a NATS server of its own; unset NATS_URL');
  return {
    rate: parseRate(rate),
    reset,
    secure,
    help,
    portOffset: parsePortOffset(env.PORT_OFFSET),
    natsUrl: env.NATS_URL || undefined,
    databaseUrl: env.DATABASE_URL || undefined,
    redisUrl: env.REDIS_URL || undefined,
  };
}

function parseFlags(args: readonly string[]) {
  try {
    const options = {
      rate: { type: 'string' },
      reset: { type: 'boolean' },
      secure: { type: 'boolean' },
      help: { type: 'boolean' },
    } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    // The first sentence names the option; what follows is about positional arguments in general.
    throw new UsageError(messageOf(error).split(/\. |\n/)[0]);
  }
}

function parseRate(text = '1'): number {
  const rate = text.trim() === '' ? NaN : Number(text);
  if (Number.isFinite(rate) && rate >= 0) return rate;
  throw new UsageError(`--rate must be a number of orders per second, 0 or more, not '${text}'`);
}

function parsePortOffset(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const offset = Number(text);
  if (Number.isInteger(offset) && offset >= 0 && HIGHEST_USUAL_PORT + offset <= 65_535) return offset;
  throw new UsageError(
    `PORT_OFFSET must be a whole number from 0 to ${65_535 - HIGHEST_USUAL_PORT}, not '${text}'`,
  );
}
