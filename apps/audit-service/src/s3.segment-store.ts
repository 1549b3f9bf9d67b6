import {
  GetObjectCommand,
  NoSuchKey,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { namesFrom, SegmentStore } from './segment-store.js';

const DAY_MS = 24 * 60 * 60 * 1_000;
const CONNECT_TIMEOUT_MS = 2_000;

export interface S3Options {
  readonly bucket: string;
  readonly region: string;
  /** Server other than Amazon's. */
  readonly endpoint?: string | undefined;
  /** Absent: found where the AWS SDK looks for credentials. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** Days for which nobody, the owner of the account included, can delete or replace a segment. */
  readonly retentionDays: number;
  /**
   * Milliseconds of silence after which a request is given up. The SDK makes three attempts, which together take less
   * than a handler may.
   * @default 5_000
   */
  readonly timeoutMs?: number;
}

/** An S3 bucket with Object Lock in compliance mode. The bucket must have been created with Object Lock. */
export class S3SegmentStore extends SegmentStore {
  private readonly client: S3Client;

  constructor(private readonly options: S3Options) {
    super();
    const { region, endpoint, credentials, timeoutMs = 5_000 } = options;
    this.client = new S3Client({
      region,
      ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
      ...(credentials ? { credentials } : {}),
      // The SDK would wait for ever, with the log locked.
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: timeoutMs },
      // Servers other than Amazon's do not know the checksum trailers the SDK sends otherwise.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  async write(name: string, content: Buffer): Promise<string> {
    const { bucket, retentionDays } = this.options;
    await this.client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: name,
        Body: content,
        ContentType: 'application/zstd',
        ChecksumSHA256: createHash('sha256').update(content).digest('base64'),
        // Object Lock protects versions: without this a later write would hide the first under the same name.
        IfNoneMatch: '*',
        ObjectLockMode: 'COMPLIANCE',
        ObjectLockRetainUntilDate: new Date(Date.now() + retentionDays * DAY_MS),
      }),
    );
    return name;
  }

  async read(location: string): Promise<Buffer | undefined> {
    try {
      const { Body } = await this.client.send(
        new GetObjectCommand({ Bucket: this.options.bucket, Key: location }),
      );
      return Body && Buffer.from(await Body.transformToByteArray());
    } catch (error) {
      // An outage is no proof of a missing segment.
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }

  async list(stream: string, number: number): Promise<string[]> {
    const names: string[] = [];
    const request = {
      Bucket: this.options.bucket,
      Prefix: `${stream}/`,
      StartAfter: namesFrom(stream, number),
    };
    for await (const { Contents = [] } of paginateListObjectsV2({ client: this.client }, request)) {
      names.push(...Contents.flatMap(({ Key }) => Key ?? []));
    }
    return names;
  }

  close(): void {
    this.client.destroy();
  }
}
