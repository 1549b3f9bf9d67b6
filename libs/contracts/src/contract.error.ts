export type ContractErrorCode =
  | 'CONTRACT_UNKNOWN_EVENT'
  | 'CONTRACT_UNKNOWN_VERSION'
  | 'CONTRACT_UNSUPPORTED_CONTENT_TYPE'
  | 'CONTRACT_TOO_LARGE'
  | 'CONTRACT_TOO_DEEP'
  | 'CONTRACT_MALFORMED'
  | 'CONTRACT_INVALID';

/** Path of what concerns a message as a whole. */
export const BODY = 'body';

/** A message that breaks its contract. `path` names the field, such as `lines[0].quantity`, or is `body`. */
export class ContractError extends Error {
  constructor(
    readonly code: ContractErrorCode,
    message: string,
    readonly path: string = BODY,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'ContractError';
  }
}
