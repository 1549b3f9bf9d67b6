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

export function refuseToken(): void {
  sessionStorage.removeItem(KEY);
  session.isRefused = true;
}
