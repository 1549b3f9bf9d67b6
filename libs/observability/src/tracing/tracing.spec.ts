import { describe, expect, it } from '@jest/globals';
import { Complaints } from './complaints.js';
import { isTracingWanted } from './tracing.js';

describe('tracing', () => {
  it.each([
    [{}, false],
    [{ OTEL_SERVICE_NAME: 'orders' }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }, true],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, true],
    [{ OTEL_TRACES_EXPORTER: 'none' }, true],
    [{ OTEL_TRACES_EXPORTER: '' }, false],
    [{ OTEL_TRACES_EXPORTER: 'console', OTEL_SDK_DISABLED: 'true' }, false],
  ])('with %p is on: %p', (env, isOn) => {
    expect(isTracingWanted(env)).toBe(isOn);
  });

  it('complains once a minute, in a few words and without credentials', () => {
    const told: string[] = [];
    let now = 0;
    const complaints = new Complaints(
      (message) => told.push(message),
      () => now,
    );
    complaints.take('export failed: authorization Bearer abcdef123456', 'x'.repeat(10_000));
    now = 59_999;
    complaints.take('again');
    now = 60_000;
    complaints.take('still');
    expect(told.map((message) => message.slice(0, 48))).toEqual([
      'export failed: authorization Bearer [redacted] x',
      'still',
    ]);
    expect(told[0]).toHaveLength(500);
  });
});
