/** An error as one line for a human: no stack, no empty text for the aggregate of several connection attempts. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '' && error.errors.length > 0) {
    return describeError(error.errors[0]);
  }
  if (!(error instanceof Error)) {
    return String(error);
  }
  const firstLine = error.message.split('\n').find((line) => line.trim() !== '');
  return firstLine?.trim() ?? error.name;
}

/** Why a server could not listen, with what to do about it. */
export function describeListenError(error: unknown, host: string, port: number): string {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is in use. Stop the process that listens there, or set PORT.`;
    case 'EACCES':
      return `port ${port} needs more rights than this user has. Set PORT to 1024 or more.`;
    case 'EADDRNOTAVAIL':
      return `this machine has no address ${host}. Set HOST to one it has, or to 0.0.0.0 for all.`;
    default:
      return describeError(error);
  }
}

function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
