const KEY = 'console-token';

/** Whether the server lets this tab in. */
export const session = $state({
  token: sessionStorage.getItem(KEY) ?? '',
  /** The server has refused the token, or there is none yet. */
  isRefused: false,
});

export function enterToken(token: string): void {
  sessionStorage.setItem(KEY, token);
  session.token = token;
  session.isRefused = false;
}

/** @param sent what was refused; another one may have been entered since */
export function refuseToken(sent: string): void {
  if (sent !== session.token) return;
  sessionStorage.removeItem(KEY);
  session.isRefused = true;
}
