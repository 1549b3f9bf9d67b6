export { armFailpoints, failpoint, FailpointError } from './failpoint.js';
