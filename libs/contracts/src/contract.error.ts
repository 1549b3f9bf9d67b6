export type ContractErrorCode =
  'CONTRACT_UNKNOWN_EVENT' | 'CONTRACT_UNSUPPORTED_CONTENT_TYPE' | 'CONTRACT_MALFORMED' | 'CONTRACT_INVALID';

/** A message that breaks its contract. `path` names the field, such as `lines[0].quantity`. */
export class ContractError extends Error {
  constructor(
    readonly code: ContractErrorCode,
    message: string,
    readonly path?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'ContractError';
  }
}
