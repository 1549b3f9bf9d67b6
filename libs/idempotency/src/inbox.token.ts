/** Injection token of the inbox of an application, whichever it is. */
export const INBOX = Symbol('Inbox');
