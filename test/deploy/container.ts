/** A container, however it is described: what runs in it, and with what. */
export interface Container {
  /** Unique in its system. */
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** Runs to its end, and is tried again when that is not a success. */
  readonly isJob: boolean;
  /** Containers that must be healthy, or jobs that must be over, before it starts. */
  readonly after: readonly string[];
  /** What it must answer to be healthy; all of it. */
  readonly health: readonly HealthCheck[];
}

export interface HealthCheck {
  readonly port: number;
  readonly path: string;
}

/** What lies at a path of the container: a copy of a file or directory, files with a content, or an empty directory. */
export type Mount =
  | { readonly path: string; readonly source: string }
  | { readonly path: string; readonly files: Readonly<Record<string, string>> }
  | { readonly path: string };

/** Containers that know each other by name. */
export interface System {
  readonly containers: readonly Container[];
  /** Where connections to `host:port` arrive. */
  readonly addresses: Readonly<Record<string, Listener>>;
}

export interface Listener {
  readonly container: string;
  readonly port: number;
}
