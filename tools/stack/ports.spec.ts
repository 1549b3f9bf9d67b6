import { afterEach, expect, it } from '@jest/globals';
import { type ClaimedPort, claimFreePorts } from '../process/free-ports.ts';
import { type ChosenPorts, chooseFreePorts, choosePorts } from './ports.ts';

const held: (ClaimedPort | ChosenPorts)[] = [];

afterEach(() => {
  for (const claim of held.splice(0)) claim.release();
});

async function claimTaken(): Promise<number> {
  const [claimed] = await claimFreePorts(1);
  if (!claimed) throw new Error('no port was claimed');
  held.push(claimed);
  return claimed.port;
}

it('a usual port that is taken is replaced by one some hundreds on', async () => {
  const taken = await claimTaken();
  const chosen = await choosePorts({ nats: taken }, undefined);
  held.push(chosen);
  expect(chosen.moved).toEqual(['nats']);
  expect(chosen.ports.nats).toBeGreaterThan(taken);
  expect(((chosen.ports.nats ?? 0) - taken) % 100).toBe(0);
});

it('with an offset a taken port is an error that names it, and what was claimed is released', async () => {
  const taken = await claimTaken();
  const [free] = await claimFreePorts(1);
  free?.release();
  const usual = { first: (free?.port ?? 0) - 7, 'order-service': taken - 7 };
  await expect(choosePorts(usual, 7)).rejects.toThrow(
    new RegExp(`Port ${taken}, for order-service, is taken`),
  );
  const again = await choosePorts({ first: usual.first }, 7);
  held.push(again);
  expect(again.ports.first).toBe(free?.port);
});

it('free ports are all different, also between stacks that start at the same time', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const stacks = await Promise.all([chooseFreePorts(names), chooseFreePorts(names), chooseFreePorts(names)]);
  held.push(...stacks);
  const ports = stacks.flatMap((stack) => Object.values(stack.ports));
  expect(new Set(ports).size).toBe(15);
});
