import { stopServers } from '../../tools/test/servers.ts';

export default async function globalTeardown(): Promise<void> {
  await stopServers();
}
