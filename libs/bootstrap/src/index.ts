export { EnvironmentError, parseEnvironment, readEnvironment, type Environment } from './environment.js';
export { BODY_LIMIT_BYTES, REQUEST_TIMEOUT_MS, configureHttp, createHttpAdapter } from './http-app.js';
export { createApiDocument, type ApiDescription } from './openapi.js';
export { ERROR_TRANSLATION, type ErrorTranslation } from './problem.filter.js';
export { ProblemException, type FieldError, type ProblemDetails, type ProblemOptions } from './problem.js';
export { startApp, type StartAppOptions } from './start-app.js';
