import { EnvironmentError } from '@slipstream/bootstrap';
import { NoRedriveConsumerError } from '@slipstream/operations';
import { afterEach, describe, expect, it } from '@jest/globals';
import { describeFailure, UnreachableError } from './errors.js';
import { natsOptions } from './nats-access.js';

describe('what is told of a failure', () => {
  afterEach(() => {
    delete process.env['NATS_INBOX_PREFIX'];
  });

  it('holds no password of the address that cannot be reached', () => {
    const error = new UnreachableError('nats://ops:hunter2@db:4222,nats://ops:p@ss@db', new Error('no'));
    const { message } = describeFailure(error);
    expect(message).toContain('nats://ops:[redacted]@db:4222,nats://ops:[redacted]@db');
  });

  it('commands no terminal, whoever named what it is about', () => {
    const { message, nextStep } = describeFailure(new NoRedriveConsumerError('a\u001b[2Jb', 'c\u009b2Jd'));
    expect([message, nextStep]).toEqual(['a�[2Jb', 'c�2Jd']);
  });

  it('has the code of an environment that is not valid', () => {
    const failure = describeFailure(new EnvironmentError(['STREAM_REPLICAS: is no number']));
    expect(failure).toMatchObject({
      code: 'ENVIRONMENT_INVALID',
      message: expect.stringContaining('STREAM_REPLICAS'),
    });
  });

  it('names the variable of NATS that is not valid in a sentence', () => {
    process.env['NATS_INBOX_PREFIX'] = 'two words';
    expect(() => natsOptions(undefined)).toThrow(
      'the environment is not valid: NATS_INBOX_PREFIX must be a subject',
    );
  });
});
