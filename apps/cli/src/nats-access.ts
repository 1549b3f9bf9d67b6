import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { credentialOptions, CredentialsError, natsCredentials, natsEnvironment } from '@slipstream/jetstream';

const DEFAULT_INBOX_PREFIX = '_INBOX_operator';
const IDENTITIES = /^NATS_(NKEY_SEED|CREDS|TOKEN|USER|PASSWORD)(_FILE)?$/;

/**
 * How the environment says to connect.
 * @param creds file of the identity to use instead of what it says
 * @throws CredentialsError
 */
export function natsOptions(creds: string | undefined): NodeConnectionOptions {
  const given = Object.entries(process.env).filter(
    ([name, value]) => value !== '' && (creds === undefined || !IDENTITIES.test(name)),
  );
  const { data: environment, error } = natsEnvironment.safeParse({
    ...Object.fromEntries(given),
    ...(creds === undefined ? {} : { NATS_CREDS_FILE: creds }),
  });
  if (error) {
    const violations = error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    throw new CredentialsError(`the environment is not valid: ${violations.join('; ')}`);
  }
  return {
    ...credentialOptions(natsCredentials(environment)),
    inboxPrefix: environment.NATS_INBOX_PREFIX ?? DEFAULT_INBOX_PREFIX,
  };
}
