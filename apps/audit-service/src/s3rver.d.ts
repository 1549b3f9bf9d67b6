/** The part of the S3 server that tests use; the package has no types of its own. */
declare module '@20minutes/s3rver' {
  import type { IncomingHttpHeaders } from 'node:http';

  interface Context {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    status: number;
  }

  export default class S3rver {
    constructor(options: {
      port: number;
      address: string;
      silent: boolean;
      /** It signs the path of a bucket without the slash that the SDK puts behind it. */
      allowMismatchedSignatures?: boolean;
      directory: string;
      configureBuckets: readonly { readonly name: string }[];
    });
    readonly middleware: ((context: Context, next: () => Promise<void>) => Promise<void>)[];
    run(): Promise<{ readonly port: number }>;
    close(): Promise<void>;
  }
}
