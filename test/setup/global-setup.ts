import { findTestPrometheus, startServers } from '../../tools/test/servers.ts';

export default async function globalSetup(): Promise<void> {
  // First: what fails here must not leave servers behind.
  await findTestPrometheus();
  await startServers();
}
