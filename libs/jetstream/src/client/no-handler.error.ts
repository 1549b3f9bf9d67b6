import { JetStreamError } from '../errors.js';

/** Nobody handles requests on the subject at the moment. Asking again is safe: no handler saw the request. */
export class NoHandlerError extends JetStreamError {
  readonly code = 'JS_NO_HANDLER';

  constructor(readonly subject: string) {
    super(`nobody handles requests on "${subject}". Start the service that declares a handler for it.`);
  }
}
