import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { CACHE_DIR } from '../paths.ts';
import { findChromium, findTestChromium, launchChromium, type RunningChromium } from './chromium.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipstream-browser-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function pretendBrowser(name: string, script: string): string {
  const bin = join(directory, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
  return join(bin, name);
}

it('a browser on PATH is taken before one is fetched, and one that does not run is passed over', async () => {
  pretendBrowser('chromium', 'echo "requires the chromium snap to be installed" >&2; exit 1');
  const path = pretendBrowser('google-chrome', 'echo "Google Chrome 150.0.7871.100 "');
  const found = await findChromium({ cacheDir: directory, env: { PATH: join(directory, 'bin') } });
  expect(found).toEqual({ path, version: '150.0.7871.100', origin: 'PATH' });
});

// Looked for here and not in a test: the first time it is downloaded, which may take longer than a test.
const binary = await findTestChromium({ cacheDir: CACHE_DIR });
const describeChromium = binary ? describe : describe.skip;

const PAGE = `<!doctype html>
<button onclick="document.querySelector('output').textContent = 'added ' + ++count">Add</button>
<output></output>
<p style="font-family: sans-serif"><span id="narrow">iiii</span><br><span id="wide">WWWW</span></p>
<p style="font-family: monospace"><span id="fixed-narrow">iiii</span><br><span id="fixed-wide">WWWW</span></p>
<script>let count = 0</script>
`;

describeChromium('a browser that was found', () => {
  let server: Server;
  let running: RunningChromium;
  let page: Page;

  beforeEach(async () => {
    server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(PAGE);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    if (!binary) throw new Error('there is no browser');
    running = await launchChromium(binary);
    page = await running.context.newPage();
    const address = server.address();
    await page.goto(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`);
  });

  afterEach(async () => {
    await running.stop();
    server.close();
  });

  it('runs the script of a page and tells what it wrote', async () => {
    await page.getByRole('button', { name: 'Add' }).click();
    expect(await page.getByRole('status').textContent()).toBe('added 1');
  });

  it('draws text in a font with letters of their own widths and in one with letters of the same', async () => {
    const widthOf = async (id: string) => (await page.locator(`#${id}`).boundingBox())?.width ?? 0;
    expect(await widthOf('narrow')).toBeGreaterThan(0);
    expect(await widthOf('wide')).toBeGreaterThan(2 * (await widthOf('narrow')));
    expect(await widthOf('fixed-wide')).toBe(await widthOf('fixed-narrow'));
  });

  it('gives a second context that shares no cookie with the first', async () => {
    await page.context().addCookies([{ name: 'session', value: 'one', url: page.url() }]);
    const other = await running.context.browser()?.newContext();
    expect(await running.context.cookies()).toHaveLength(1);
    expect(await other?.cookies()).toEqual([]);
  });

  it('leaves neither a process nor its profile behind after it was stopped', async () => {
    expect(runningInGroup(running.pid)).not.toEqual([]);
    expect(existsSync(running.directory)).toBe(true);
    await running.stop();
    expect(runningInGroup(running.pid)).toEqual([]);
    expect(existsSync(running.directory)).toBe(false);
  });

  it('can be stopped after it crashed', async () => {
    const closed = running.context.waitForEvent('close');
    process.kill(running.pid, 'SIGKILL');
    await closed;
    await running.stop();
    expect(existsSync(running.directory)).toBe(false);
  });
});

/** Its helpers, too; what has ended but was not asked for its exit code yet is not running. */
function runningInGroup(leader: number): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(group) === leader && state !== 'Z';
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}
