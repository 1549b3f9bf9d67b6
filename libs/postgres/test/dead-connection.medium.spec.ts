import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GroupCommit, dataSourceOptions, isDatabaseUnavailable } from '@slipstream/postgres';
import { createTestDatabase, type TestDatabase } from '@slipstream/testing';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { DataSource } from 'typeorm';

/** Stands between client and server, and can keep to itself what it is sent without closing anything. */
class Line {
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(target: URL) {
    this.server = createServer((near) => {
      const far = connect(Number(target.port || 5432), target.hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from);
        from.on('data', (bytes) => this.sockets.has(from) && to.write(bytes));
        from.on('error', () => undefined).on('close', () => to.destroy());
      }
    });
  }

  async listen(): Promise<number> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  /** From now on the connections that exist are silent. New ones work. */
  silence(): Socket[] {
    const silenced = [...this.sockets];
    this.sockets.clear();
    return silenced;
  }

  close(): void {
    this.server.close();
  }
}

describe('a database connection that died without a word', () => {
  let database: TestDatabase;
  let line: Line;
  let dataSource: DataSource;
  let silenced: Socket[] = [];

  beforeEach(async () => {
    database = await createTestDatabase();
    const url = new URL(database.url);
    line = new Line(new URL(database.url));
    url.port = String(await line.listen());
    url.hostname = '127.0.0.1';
    const options = { url: url.href, schema: 'public', migrations: [], poolSize: 1, queryTimeoutMs: 500 };
    dataSource = await new DataSource(dataSourceOptions(options)).initialize();
    silenced = [];
  });

  afterEach(async () => {
    for (const socket of [...silenced, ...line.silence()]) socket.destroy();
    line.close();
    await dataSource.destroy();
    await database.drop();
  });

  it('fails a query as unavailable, and is not used again', async () => {
    await dataSource.query('SELECT 1');
    silenced = line.silence();
    const error: unknown = await dataSource.query('SELECT 1').catch((reason: unknown) => reason);
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect(await dataSource.query('SELECT 2 AS n')).toEqual([{ n: 2 }]);
  });

  it('fails a group commit as unavailable, and the next one commits on a new connection', async () => {
    const groups = new GroupCommit<number, number>({
      commit: (items) =>
        dataSource.transaction(async (tx) => {
          await tx.query('SELECT $1::int', [1]);
          return items;
        }),
      keyOf: String,
      maxGroup: 10,
      maxWaiting: 10,
      concurrency: 1,
    });
    expect(await groups.submit(1)).toBe(1);
    silenced = line.silence();
    const error: unknown = await groups.submit(2).catch((reason: unknown) => reason);
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect(await groups.submit(3)).toBe(3);
  });
});
