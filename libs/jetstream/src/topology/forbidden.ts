import { PermissionViolationError } from '@nats-io/transport-node';

/** True when the user of the connection may not ask this; asking again would only fill the logs of the server. */
export function isForbidden(error: unknown): boolean {
  if (error instanceof PermissionViolationError) return true;
  return error instanceof Error && error.cause instanceof PermissionViolationError;
}
