import { delimiter, join } from 'node:path';

/** Where the libraries lie in packages that are unpacked into a directory; `within` names some in directories of their own. */
export function libraryPathIn(directory: string, within: readonly string[] = []): string {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const places = ['usr/lib', 'lib'].map((root) => join(directory, root, triplet));
  return [...places, ...within.map((name) => join(directory, 'usr/lib', triplet, name))].join(delimiter);
}

/** This process's environment, in which a program finds its own libraries before the system's. */
export function environmentWith(libraryPath: string | undefined): NodeJS.ProcessEnv {
  if (!libraryPath) return process.env;
  const inherited = process.env.LD_LIBRARY_PATH;
  return {
    ...process.env,
    LD_LIBRARY_PATH: inherited ? `${libraryPath}${delimiter}${inherited}` : libraryPath,
  };
}
