import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@slipstream/testing';
import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { CACHE_DIR } from '../../tools/paths.ts';
import { findTestChromium, launchChromium, type RunningChromium } from '../../tools/servers/chromium.ts';
import { articleMessage } from '../journeys/article-message.ts';
import { Journey } from '../journeys/journey.ts';

const READERS_OF_ORDERS = ['inventory-orders', 'order-intake', 'payment-orders'];
const ORDER = {
  customerId: 'cust-console',
  currency: 'EUR',
  lines: [{ sku: 'sku-console', quantity: 1, unitPriceMinor: 1_250 }],
};

const PATIENCE_MS = 30_000;

// Looked for here and not in a test: the first time it is downloaded, which may take longer than a test.
const binary = await findTestChromium({ cacheDir: CACHE_DIR });
const describeChromium = binary ? describe : describe.skip;

describeChromium('who is on call', () => {
  let journey: Journey;
  let browser: RunningChromium;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    if (!binary) throw new Error('there is no browser');
    journey = await Journey.start();
    browser = await launchChromium(binary);
    page = await browser.context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    complaints = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
  }, 240_000);

  afterAll(async () => {
    await browser?.stop();
    await journey?.end();
  }, 60_000);

  async function open(hash: string): Promise<void> {
    await page.goto(`${journey.stack.urls['console']}/#${hash}`);
  }

  /** Fills in what every act asks for, and confirms it. */
  async function confirm(action: string, reason: string): Promise<void> {
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Your name').fill('ada');
    await dialog.getByLabel('Reason').fill(reason);
    await dialog.getByRole('button', { name: action, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  it('sees all streams and consumers on one page', async () => {
    await open('/');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    const consumers = page.getByRole('table', { name: 'Consumers' });
    await consumers.getByRole('link').first().waitFor();
    expect(await consumers.getByRole('link').allTextContents()).toEqual(
      expect.arrayContaining([...READERS_OF_ORDERS, 'order-payments', 'audit-orders']),
    );
    const streams = await page.getByRole('table', { name: 'Streams' }).textContent();
    for (const stream of ['ORDERS', 'PAYMENTS', 'INVENTORY', 'ORDERS_DLQ']) expect(streams).toContain(stream);
  });

  it('mends a message that nobody can read, and its order goes on', async () => {
    const orderId = randomUUID();
    const message = articleMessage({ order_id: orderId });
    await journey.publishBare('orders.created.v1', JSON.stringify({ ...message, total_amount: 'a lot' }));
    await waitFor('a dead letter of each reader', async () => {
      return (await journey.deadLetters('ORDERS_DLQ')).length === READERS_OF_ORDERS.length;
    });
    for (const consumer of READERS_OF_ORDERS) {
      await open(`/dead-letters?consumer=${consumer}`);
      await page.getByRole('link', { name: /^ORDERS:\d+$/ }).click();
      await page.getByText('total_amount').first().waitFor();
      await page.getByRole('button', { name: 'Edit body' }).click();
      await page.getByLabel('Body to send instead').fill(JSON.stringify(message));
      await page.getByRole('button', { name: 'Redrive…' }).click();
      await confirm('Redrive', 'the sum was no number');
      await page.getByText('Redriven.').waitFor();
    }
    expect((await journey.settled(orderId)).status).toBe('confirmed');
    expect((await journey.gateway()).duplicateCharges).toBe(0);

    await page.getByRole('searchbox', { name: 'Order or message id' }).first().fill(orderId);
    await page.getByRole('button', { name: 'Trace' }).first().click();
    await page.getByText('orders.confirmed.v1').first().waitFor();
    await page
      .getByText(/redriven .* by ada: the sum was no number/)
      .first()
      .waitFor();
  }, 120_000);

  it('pauses a consumer and sees what waits for it, until it is resumed', async () => {
    await open('/consumers/ORDERS/payment-orders');
    await page.getByRole('radio', { name: '5 min', exact: true }).check();
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await confirm('Pause', 'a look at what waits');
    await page
      .getByText(/^Paused until/)
      .first()
      .waitFor();
    const orderId = await journey.placeOrder(ORDER, randomUUID());
    await page.getByText('1 message not delivered yet').waitFor();
    await open('/');
    const row = page.getByRole('row', { name: /payment-orders/ });
    await row.getByText('paused').first().waitFor();
    await row.getByRole('link', { name: 'payment-orders' }).click();
    await page.getByRole('button', { name: 'Resume now' }).click();
    await confirm('Resume', 'seen');
    expect((await journey.settled(orderId)).status).toBe('confirmed');
  }, 90_000);

  it('discards all that match, and nothing is left of them but in the records', async () => {
    for (let count = 0; count < 3; count++) await journey.publishBare('orders.created.v1', 'no order');
    const expected = 3 * READERS_OF_ORDERS.length;
    await waitFor('the dead letters', async () => {
      return (await journey.deadLetters('ORDERS_DLQ')).length === expected;
    });
    await open('/dead-letters?stream=ORDERS');
    await page.getByRole('button', { name: /^Discard all/ }).click();
    await page.getByRole('dialog', { name: `Discard ${expected} dead letters?` }).waitFor();
    await confirm('Discard', 'noise of a test');
    await waitFor('an empty dead-letter stream', async () => {
      return (await journey.deadLetters('ORDERS_DLQ')).length === 0;
    });
  }, 60_000);

  it('has the audit log prove itself', async () => {
    await open('/checks');
    await page.getByRole('button', { name: 'Verify the audit log' }).click();
    const verdict = page.getByRole('status').filter({ hasText: 'read.' });
    await verdict.waitFor();
    expect(await verdict.textContent()).toMatch(
      /Complete and unchanged\. +\d+ records in \d+ segments? read\./,
    );
  }, 60_000);

  it('is told that NATS is away, and sees again what is there once it is back', async () => {
    await open('/');
    const consumers = page.getByRole('table', { name: 'Consumers' });
    await consumers.waitFor();
    await journey.stack.halt('nats');
    await page.getByText(/NATS does not answer/).waitFor();
    // What was seen last stays.
    expect(await consumers.getByRole('link', { name: 'payment-orders' }).count()).toBe(1);
    await journey.stack.resume('nats');
    await page.getByText(/NATS does not answer/).waitFor({ state: 'detached' });
    expect(await consumers.getByRole('link', { name: 'payment-orders' }).count()).toBe(1);
  }, 120_000);

  it('met no error of the pages, and nothing that their security policy forbids', () => {
    // What the server answered while NATS was away is told by the browser, too.
    expect(complaints.filter((text) => !/status of 50[0-9]/.test(text))).toEqual([]);
  });
});
