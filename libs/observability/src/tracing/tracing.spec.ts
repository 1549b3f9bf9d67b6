import { describe, expect, it } from '@jest/globals';
import { Complaints } from './complaints.js';
import { createLog } from '../log.js';
import { assertTracingVariables } from './environment.js';
import { isTracingWanted, startTracing } from './tracing.js';

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

  it.each([
    ['OTEL_SDK_DISABLED', 'maybe', 'is neither true nor false'],
    ['OTEL_TRACES_EXPORTER', 'jaeger', 'names others than otlp, zipkin, console, none'],
    ['OTEL_TRACES_EXPORTER', 'otlp,none', 'has "none" beside others'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'is no URL that begins with http:// or https://'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', '/v1/traces', 'is no URL that begins with http:// or https://'],
    ['OTEL_EXPORTER_ZIPKIN_ENDPOINT', 'zipkin', 'is no URL that begins with http:// or https://'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'protobuf', 'is none of http/protobuf, http/json, grpc'],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http', 'is none of http/protobuf, http/json, grpc'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a-secret', 'is not of the form name=value,name=value'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s', 'is no number of milliseconds from 1 to an hour'],
    ['OTEL_TRACES_SAMPLER', 'ratio', 'is none of always_on, always_off, traceidratio, parentbased_always_on'],
    ['OTEL_TRACES_SAMPLER_ARG', '1%', 'is no number from 0 to 1'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5', 'is no number from 0 to 1'],
    ['OTEL_PROPAGATORS', 'jaeger', 'names others than tracecontext, baggage, b3, b3multi, none'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'production', 'is not of the form name=value,name=value'],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '0', 'is no number from 1 to a million'],
  ])('refuses to start with %s=%s, which %s', async (name, value, why) => {
    const starting = startTracing('orders', createLog('orders', { LOG_LEVEL: 'silent' }), {
      OTEL_TRACES_EXPORTER: 'otlp',
      [name]: value,
    });
    await expect(starting).rejects.toThrow(`${name} ${why}`);
    // A header is a secret.
    await expect(starting).rejects.not.toThrow(`"${value}"`);
  });

  it('names all variables that are wrong, on one line', () => {
    const check = () => assertTracingVariables({ OTEL_PROPAGATORS: 'x', OTEL_TRACES_SAMPLER_ARG: '2' });
    expect(check).toThrow(/^OTEL_TRACES_SAMPLER_ARG is .*; OTEL_PROPAGATORS names .*$/);
  });

  it('takes what the specification allows, and does not ask about what it does not need', async () => {
    const env = {
      OTEL_TRACES_EXPORTER: 'otlp, zipkin',
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=k=1, authorization=Bearer%20token',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=production,service.version=1',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.01',
      OTEL_PROPAGATORS: '',
    };
    expect(() => assertTracingVariables(env)).not.toThrow();
    const log = createLog('orders', { LOG_LEVEL: 'silent' });
    expect((await startTracing('orders', log, { OTEL_PROPAGATORS: 'jaeger' })).isOn).toBe(false);
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
