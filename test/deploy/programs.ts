import { appOfImage } from '../../tools/deploy/environments.ts';
import { APPS } from '../../tools/stack/apps.ts';

/** What an image starts. */
export type Program =
  | { readonly kind: 'nats' | 'postgres' }
  | { readonly kind: 'app'; readonly app: string; readonly port?: number };

const SERVERS = [
  { kind: 'nats', image: /^nats:/, ports: [4222, 6222, 8222] },
  { kind: 'postgres', image: /^postgres:/, ports: [5432] },
] as const;

/** @throws when nothing on this machine does what the image does */
export function programOf(image: string): Program {
  const app = appOfImage(image);
  if (app !== undefined) return { kind: 'app', app, port: APPS.find(({ name }) => name === app)?.port };
  const server = SERVERS.find((known) => known.image.test(image));
  if (!server) throw new Error(`nothing here runs what ${image} runs`);
  return { kind: server.kind };
}

/** Ports that the image's program listens on, wherever it is told nothing else. */
export function portsOf(image: string): readonly number[] {
  const program = programOf(image);
  if (program.kind === 'app') return program.port === undefined ? [] : [program.port];
  return SERVERS.find(({ kind }) => kind === program.kind)?.ports ?? [];
}
