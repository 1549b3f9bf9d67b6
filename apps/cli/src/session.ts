import { connect, type NatsConnection } from '@nats-io/transport-node';
import { InvalidRequestError, type Operator } from '@slipstream/operations';
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { UnreachableError } from './errors.js';
import { natsOptions } from './nats-access.js';
import { Output } from './output.js';

/** Options of every command. */
export interface GlobalOptions {
  readonly server: string;
  readonly creds?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly by?: string;
  readonly reason?: string;
}

/** What a command works with. */
export class Session {
  readonly output: Output;

  constructor(readonly options: GlobalOptions) {
    this.output = new Output(options.json === true);
  }

  get operator(): Operator {
    const { by, reason } = this.options;
    return { by: by ?? userName(), reason };
  }

  /** @throws UnreachableError */
  async withServer<T>(work: (nc: NatsConnection) => Promise<T>): Promise<T> {
    const nc = await this.connect();
    try {
      return await work(nc);
    } finally {
      await nc.close();
    }
  }

  /**
   * Asks before something that cannot be taken back.
   * @throws InvalidRequestError when there is nobody to ask and `--yes` is missing, or the answer is no
   */
  async confirm(question: string): Promise<void> {
    if (this.options.yes) return;
    if (!process.stdin.isTTY || !process.stderr.isTTY || this.options.json) {
      throw new InvalidRequestError(`${question} Nobody can be asked here.`, 'Add --yes if it is meant.');
    }
    const prompt = createInterface({ input: process.stdin, output: process.stderr });
    // Ctrl-C and Ctrl-D answer as well.
    const asked = prompt.question(`${question} [y/N] `).catch(() => 'no');
    const answer = await asked.finally(() => prompt.close());
    if (!/^y(es)?$/i.test(answer.trim())) throw new InvalidRequestError('Nothing was done.', 'Answer y.');
  }

  private async connect(): Promise<NatsConnection> {
    const { server, creds } = this.options;
    const options = natsOptions(creds);
    try {
      return await connect({
        ...options,
        servers: server.split(','),
        name: 'slipstream-cli',
        reconnect: false,
        timeout: 5_000,
      });
    } catch (cause) {
      throw new UnreachableError(server, cause);
    }
  }
}

/** In a container the user may be a number without a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.()}`;
  }
}
