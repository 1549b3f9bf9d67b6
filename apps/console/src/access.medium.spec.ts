import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConsoleScene } from '../test/console-scene.js';
import { configSchema } from './config.js';

const TOKEN = 'a-token-of-a-test-run';

describe('a console with a token', () => {
  let scene: ConsoleScene;

  beforeAll(async () => {
    scene = await ConsoleScene.set({ CONSOLE_TOKEN: TOKEN });
  });

  afterAll(() => scene?.clear());

  it.each([
    ['nothing', {}],
    ['another token', { authorization: 'Bearer something-else-entirely' }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
    ['a longer token', { authorization: `Bearer ${TOKEN}x` }],
  ])('answers 401 to %s, also in a query that names what is open', async (_what, headers) => {
    for (const path of ['/api/overview', '/api/findings', '/api/overview?x=/api/about']) {
      const { status, headers: answered } = await scene.get(path, headers);
      expect([status, answered.get('www-authenticate')]).toEqual([401, 'Bearer']);
    }
    expect((await scene.post('/api/dead-letters/S:1/discard', { by: 'eve' }, headers)).status).toBe(401);
  });

  it.each([
    '/%61pi/overview',
    '/ap%69/history',
    '//api/overview',
    '/API/overview',
    'http://127.0.0.1/api/overview',
    '/api/overview/',
    '/api/./overview',
    '/api/about/../overview',
  ])('does not answer %s without it, however the path is written', async (path) => {
    const answered = await scene.request(path, { authorization: `Bearer ${TOKEN}` });
    // Some of these are no way to write it.
    expect(await scene.request(path)).toBe(answered === 200 ? 401 : answered);
  });

  it('answers a path that is written in another way to who has it', async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect(await scene.request('/%61pi/overview', headers)).toBe(200);
    expect(await scene.request('http://127.0.0.1/api/overview', headers)).toBe(200);
  });

  it('answers who has it, wherever the page came from', async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, origin: 'https://console.example' };
    expect((await scene.get('/api/overview', headers)).status).toBe(200);
  });

  it('says without it that it wants one, and how it is', async () => {
    expect((await scene.get('/api/about')).body).toEqual({ isProtected: true });
    expect((await scene.get('/health/ready')).status).toBe(200);
  });
});

describe('a console without a token', () => {
  let scene: ConsoleScene;
  let pages: string;

  beforeAll(async () => {
    pages = await mkdtemp(join(tmpdir(), 'pages-'));
    await mkdir(join(pages, 'assets'));
    await writeFile(join(pages, 'index.html'), '<!doctype html><title>Console</title>');
    await writeFile(join(pages, 'assets', 'index-1234.js'), 'export {};');
    scene = await ConsoleScene.set({}, pages);
  });

  afterAll(async () => {
    await scene?.clear();
    await rm(pages, { recursive: true });
  });

  it('answers its own pages', async () => {
    expect((await scene.get('/api/about')).body).toEqual({ isProtected: false });
    expect((await scene.get('/api/overview')).status).toBe(200);
  });

  it('refuses what the page of somebody else has a browser ask', async () => {
    const foreign = { origin: 'https://evil.example' };
    expect((await scene.get('/api/overview', foreign)).status).toBe(403);
    expect((await scene.get('/api/overview', { origin: 'null' })).status).toBe(403);
    expect((await scene.post('/api/dead-letters/S:1/discard', { by: 'eve' }, foreign)).status).toBe(403);
  });

  it.each(['cross-site', 'same-site'])('refuses what a page of another site includes (%s)', async (site) => {
    expect(await scene.request('/api/overview', { 'sec-fetch-site': site })).toBe(403);
    expect(await scene.request('/api/overview', { 'sec-fetch-site': 'same-origin' })).toBe(200);
  });

  it('refuses a name that somebody had resolve to this machine', async () => {
    for (const path of ['/api/overview', '/%61pi/overview']) {
      expect(await scene.request(path, { host: 'evil.example' })).toBe(403);
    }
  });

  it('serves its pages, which may run no script of others, and keeps in caches what never changes', async () => {
    const page = await scene.fetch('/');
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<title>Console</title>');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(page.headers.get('cache-control')).toBe('no-cache');
    // By these a browser would take the page of another release for the one it has.
    expect([page.headers.get('etag'), page.headers.get('last-modified')]).toEqual([null, null]);
    const asset = await scene.fetch('/assets/index-1234.js');
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect(await scene.request('/../package.json')).not.toBe(200);
    expect(await scene.request('/..%2fpackage.json')).not.toBe(200);
    expect(page.headers.get('x-frame-options')).toBe('DENY');
  });
});

describe('the configuration of the console', () => {
  it.each(['0.0.0.0', '::', '192.168.1.7', 'console.example'])(
    'is refused without a token where it listens on %s',
    (host) => {
      const { error } = configSchema.safeParse({ HOST: host });
      expect(error?.issues).toMatchObject([{ path: ['CONSOLE_TOKEN'] }]);
      expect(configSchema.safeParse({ HOST: host, CONSOLE_TOKEN: TOKEN }).success).toBe(true);
    },
  );

  it.each(['127.0.0.1', '::1', 'localhost'])('needs none where it listens on %s', (host) => {
    expect(configSchema.safeParse({ HOST: host }).success).toBe(true);
  });

  it.each(['short', `with spaces in its middle`])('takes no token "%s"', (token) => {
    expect(configSchema.safeParse({ CONSOLE_TOKEN: token }).success).toBe(false);
  });
});
