import { startServers } from '../../tools/test/servers.ts';

export default async function globalSetup(): Promise<void> {
  await startServers();
}
