/**
 * The code of a Node.js error. Where tests run, such an error is not `instanceof Error`.
 *
 * @param {unknown} error
 * @returns {unknown}
 */
export function errorCode(error) {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
