import { describe, expect, it } from '@jest/globals';
import { createLog } from './log.js';
import { PrettyStream } from './pretty-stream.js';

function capture() {
  const lines: string[] = [];
  return { lines, write: (line: string) => void lines.push(line) };
}

describe('log', () => {
  it('is one JSON object a line, with the level by name, an ISO time and the service', () => {
    const target = capture();
    createLog('payment-service', {}, target).info({ order_id: 'o-1' }, 'order confirmed');
    expect(target.lines).toHaveLength(1);
    expect(JSON.parse(String(target.lines[0]))).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      service: 'payment-service',
      pid: process.pid,
      order_id: 'o-1',
      msg: 'order confirmed',
    });
  });

  it('writes from the level in LOG_LEVEL on', () => {
    const target = capture();
    const log = createLog('x', { LOG_LEVEL: 'error' }, target);
    log.warn('no');
    log.error('yes');
    expect(target.lines).toHaveLength(1);
  });

  it('reports a LOG_LEVEL that is no level and goes on with info', () => {
    const target = capture();
    const log = createLog('x', { LOG_LEVEL: 'loud' }, target);
    expect(target.lines.join()).toContain('LOG_LEVEL is none of');
    expect(log.level).toBe('info');
  });

  it('never shows authorization and cookie headers', () => {
    const target = capture();
    const headers = { authorization: 'Bearer secret', cookie: 'sid=secret', accept: 'text/html' };
    const log = createLog('x', {}, target);
    log.info({ headers });
    log.info({ req: { headers }, res: { headers: { 'set-cookie': ['sid=secret'] } } });
    expect(target.lines.join()).not.toContain('secret');
    expect(target.lines.join()).toContain('text/html');
  });

  it('can be printed for a human, stacks included', () => {
    const printed: string[] = [];
    const log = createLog('x', {}, new PrettyStream({ write: (text) => printed.push(text) }));
    log.warn(
      { order_id: 'o-1', attempt: 2, error: { name: 'E', stack: 'E: boom\n  at f' } },
      'delivery settled',
    );
    expect(printed[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}delivery settled order_id=o-1 attempt=2 error=\nE: boom/,
    );
  });
});
