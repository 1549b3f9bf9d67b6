export { redact } from './redact.js';
export { payloadStrings } from './payload-strings.js';
