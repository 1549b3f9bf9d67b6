import { describe } from '@jest/globals';
import { networkInterfaces } from 'node:os';

const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);

/** `describe` where the machine can listen at `::1`; elsewhere its tests are shown as skipped. */
export const describeWithIpv6 = interfaces.some(({ address }) => address === '::1')
  ? describe
  : describe.skip;
