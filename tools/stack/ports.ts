import { type ClaimedPort, claimFirstFree, claimFreePorts, claimPort } from '../process/free-ports.ts';
import { SetupError } from '../setup-error.ts';
import type { StackPorts } from './apps.ts';

export interface ChosenPorts {
  readonly ports: StackPorts;
  /** Those that are not on their usual port because somebody else uses it. */
  readonly moved: readonly string[];
  release(): void;
}

/** The usual ports, shifted by the offset; without one, the next free ports where the usual ones are taken. */
export async function choosePorts(usual: StackPorts, offset: number | undefined): Promise<ChosenPorts> {
  const claimed: Record<string, ClaimedPort> = {};
  try {
    for (const [name, port] of Object.entries(usual)) {
      claimed[name] = await (offset === undefined
        ? claimFirstFree(sidesteps(port))
        : claimExactly(name, port + offset));
    }
  } catch (error) {
    releaseAll(claimed);
    throw error;
  }
  return chosen(claimed, offset === undefined ? usual : undefined);
}

/** Ports nobody uses, for a stack that need not be found at the usual ones. */
export async function chooseFreePorts(names: readonly string[]): Promise<ChosenPorts> {
  const claimed = await claimFreePorts(names.length);
  return chosen(Object.fromEntries(claimed.map((port, index) => [names[index], port])), undefined);
}

/** Hundreds on, so that the ports of a second stack resemble those of the first. */
export function* sidesteps(port: number): Generator<number> {
  for (let candidate = port; candidate <= 65_535; candidate += 100) yield candidate;
}

function chosen(claimed: Record<string, ClaimedPort>, usual: StackPorts | undefined): ChosenPorts {
  const ports = Object.fromEntries(Object.entries(claimed).map(([name, { port }]) => [name, port]));
  const moved = usual ? Object.keys(usual).filter((name) => usual[name] !== ports[name]) : [];
  return { ports, moved, release: () => releaseAll(claimed) };
}

async function claimExactly(name: string, port: number): Promise<ClaimedPort> {
  const claimed = await claimPort(port);
  if (claimed) return claimed;
  throw new SetupError(
    `Port ${port}, for ${name}, is taken.\n` +
      'Stop what uses it, choose another PORT_OFFSET, or unset PORT_OFFSET to have free ports chosen.',
  );
}

function releaseAll(claimed: Record<string, ClaimedPort>): void {
  for (const port of Object.values(claimed)) port.release();
}
