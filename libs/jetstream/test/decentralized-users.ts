import { nkeys } from '@nats-io/transport-node';

const UNLIMITED = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
};
const WITH_JETSTREAM = { ...UNLIMITED, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

/** Its public key takes tens of milliseconds to find, each time. */
interface Identity {
  readonly pair: nkeys.KeyPair;
  readonly publicKey: string;
}

/** What a token says and who signs it. */
interface Claims {
  readonly issuer: Identity;
  readonly subject: Identity;
  readonly nats: Readonly<Record<string, unknown>>;
  /** Seconds since the epoch. @default never */
  readonly exp?: number;
}

/** Users whose rights are in tokens that expire (NATS decentralized JWT authentication). */
export class DecentralizedUsers {
  private readonly operator = identity(nkeys.createOperator());
  private readonly account = identity(nkeys.createAccount());
  private readonly user = identity(nkeys.createUser());

  /** Seed with which the user proves that a token is its own. */
  get seed(): Uint8Array {
    return this.user.pair.getSeed();
  }

  /** What a server needs to know to trust the tokens. */
  get serverConfig(): string {
    const trusted = sign({ issuer: this.operator, subject: this.operator, nats: { type: 'operator' } });
    const system = identity(nkeys.createAccount());
    // JetStream does not start without an account of the server's own.
    return [
      `operator: ${trusted}`,
      `system_account: ${system.publicKey}`,
      'resolver: MEMORY',
      `resolver_preload { ${this.known(system, UNLIMITED)}, ${this.known(this.account, WITH_JETSTREAM)} }`,
    ].join('\n');
  }

  /** A token of the user, good for `seconds`, or for ever. */
  token(seconds?: number): string {
    const { account, user } = this;
    const nats = { type: 'user', pub: {}, sub: {}, subs: -1, data: -1, payload: -1 };
    const exp = seconds === undefined ? {} : { exp: Math.floor(Date.now() / 1_000) + seconds };
    return sign({ issuer: account, subject: user, nats, ...exp });
  }

  /** What a file of credentials holds: a token that is good for ever, and the seed. */
  get credentials(): string {
    return [
      '-----BEGIN NATS USER JWT-----',
      this.token(),
      '------END NATS USER JWT------',
      '-----BEGIN USER NKEY SEED-----',
      Buffer.from(this.seed).toString(),
      '------END USER NKEY SEED------',
      '',
    ].join('\n');
  }

  private known(account: Identity, limits: object): string {
    const nats = { type: 'account', limits };
    return `${account.publicKey}: ${sign({ issuer: this.operator, subject: account, nats })}`;
  }
}

function identity(pair: nkeys.KeyPair): Identity {
  return { pair, publicKey: pair.getPublicKey() };
}

function sign({ issuer, subject, nats, ...times }: Claims): string {
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const claims = {
    ...times,
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.publicKey,
    sub: subject.publicKey,
    name: 'test',
    nats: { ...nats, version: 2 },
  };
  const unsigned = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`;
  const signature = Buffer.from(issuer.pair.sign(Buffer.from(unsigned))).toString('base64url');
  return `${unsigned}.${signature}`;
}
