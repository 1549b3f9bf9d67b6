import 'reflect-metadata';
import { X509Certificate, webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  AuthorityKeyIdentifierExtension,
  PemConverter,
  X509CertificateGenerator,
  X509Certificate as ParsedCertificate,
} from '@peculiar/x509';
import { replaceFile } from './replace-file.ts';

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const LEAF_DAYS = 365;
/** A certificate that is over sooner is made anew. */
const LEAST_DAYS = 30;
/** Clocks of other machines may be behind. */
const CLOCK_SKEW_MS = 3_600_000;
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };
const { subtle } = webcrypto;

/** A certificate and its private key, both as PEM files. */
export interface KeyedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Whom a certificate names. */
export interface Subject {
  readonly commonName: string;
  /** Host names and addresses of a server; none for a client. */
  readonly hosts: readonly string[];
}

/**
 * Makes a certificate authority where there is none, or only one that is nearly over.
 * @returns true when it was made: whatever the one before signed is void
 */
export async function ensureAuthority({ certFile, keyFile }: KeyedCertificate): Promise<boolean> {
  if (existsSync(keyFile) && isCurrent(certFile)) return false;
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Slipstream NATS authority',
    keys,
    ...validFor(AUTHORITY_DAYS),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await write({ certFile, keyFile }, certificate, keys.privateKey);
  return true;
}

/** Has the authority sign a certificate where there is none that names the subject and is good for another while. */
export async function ensureCertificate(
  files: KeyedCertificate,
  authority: KeyedCertificate,
  { commonName, hosts }: Subject,
): Promise<void> {
  if (existsSync(files.keyFile) && isCurrent(files.certFile, authority, hosts)) return;
  const issuer = new ParsedCertificate(readFileSync(authority.certFile, 'utf8'));
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${commonName}`,
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await readPrivateKey(authority.keyFile),
    ...validFor(LEAF_DAYS),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      // Servers of a cluster are clients of each other.
      new ExtendedKeyUsageExtension([
        ExtendedKeyUsage.clientAuth,
        ...(hosts.length > 0 ? [ExtendedKeyUsage.serverAuth] : []),
      ]),
      new SubjectAlternativeNameExtension(alternativeNames(hosts.length > 0 ? hosts : [commonName])),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  await write(files, certificate, keys.privateKey);
}

/** Names and addresses that a certificate is for; undefined where there is none. */
export function hostsOf(certFile: string): string[] | undefined {
  if (!existsSync(certFile)) return undefined;
  const certificate = new ParsedCertificate(readFileSync(certFile, 'utf8'));
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  return names.map(({ value }) => value);
}

function isCurrent(certFile: string, authority?: KeyedCertificate, hosts: readonly string[] = []): boolean {
  if (!existsSync(certFile)) return false;
  const certificate = new X509Certificate(readFileSync(certFile));
  if (Date.parse(certificate.validTo) < Date.now() + LEAST_DAYS * DAY_MS) return false;
  if (!authority) return true;
  const issuer = new X509Certificate(readFileSync(authority.certFile));
  return certificate.verify(issuer.publicKey) && hosts.every((host) => isNamed(certificate, host));
}

function isNamed(certificate: X509Certificate, host: string): boolean {
  return (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)) !== undefined;
}

function alternativeNames(hosts: readonly string[]): { type: 'ip' | 'dns'; value: string }[] {
  return hosts.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }));
}

function validFor(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - CLOCK_SKEW_MS), notAfter: new Date(now + days * DAY_MS) };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return subtle.generateKey(CURVE, true, ['sign', 'verify']);
}

async function readPrivateKey(file: string): Promise<webcrypto.CryptoKey> {
  const [der] = PemConverter.decode(readFileSync(file, 'utf8'));
  if (!der) throw new Error(`${file} holds no key`);
  return subtle.importKey('pkcs8', der, CURVE, false, ['sign']);
}

async function write(
  { certFile, keyFile }: KeyedCertificate,
  certificate: ParsedCertificate,
  key: webcrypto.CryptoKey,
): Promise<void> {
  const der = await subtle.exportKey('pkcs8', key);
  replaceFile(keyFile, `${PemConverter.encode(der, 'PRIVATE KEY')}\n`, 0o600);
  replaceFile(certFile, `${certificate.toString('pem')}\n`);
}
