import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { uniqueName, waitFor } from '@slipstream/testing';
import { PinBalance } from '../src/server/pin-balance.js';
import { Bystander } from './harness.js';

describe('the sharing of partitions', () => {
  let links: Bystander[];
  let balances: PinBalance[];
  let subject: string;

  const join = async (held: number, canServe: () => boolean = () => true) => {
    const link = await Bystander.connect();
    const balance = new PinBalance(link.nc, subject, {
      held: () => held,
      canServe,
      onChange: () => undefined,
    });
    links.push(link);
    balances.push(balance);
    balance.start();
    // Whoever joined before has heard of it now.
    for (const { nc } of links.toReversed()) await nc.flush();
    return balance;
  };

  beforeEach(() => {
    subject = uniqueName('partitions');
    links = [];
    balances = [];
  });

  afterEach(async () => {
    for (const balance of balances) balance.stop();
    await Promise.all(links.map((link) => link.close()));
  });

  it('has a process with many give some to one with none', async () => {
    const rich = await join(4);
    expect([rich.mayTake, rich.mustGive]).toEqual([true, false]);
    await join(0);
    expect([rich.mayTake, rich.mustGive]).toEqual([false, true]);
  });

  it('leaves nothing to a process that cannot serve it at the moment', async () => {
    const rich = await join(4);
    let canServe = false;
    await join(0, () => canServe);
    expect([rich.mayTake, rich.mustGive]).toEqual([true, false]);
    canServe = true;
    await waitFor('its share', () => rich.mustGive);
  });
});
