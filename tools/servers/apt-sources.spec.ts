import { describe, expect, it } from '@jest/globals';
import {
  distributionArchives,
  formatSource,
  parseDeb822Sources,
  parseOneLineSources,
} from './apt-sources.ts';

const DEB822 = `# the distribution
Types: deb deb-src
# the mirror of this site
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://off.example.org/debian
Suites: bookworm
Components: main
`;

describe('deb822 sources', () => {
  it('keep the mirror and the key of each enabled entry', () => {
    expect(parseDeb822Sources(DEB822)).toEqual([
      {
        uris: ['http://mirror.example.org/debian'],
        suites: ['bookworm', 'bookworm-updates'],
        components: ['main', 'contrib'],
        trust: { 'Signed-By': '/usr/share/keyrings/debian-archive-keyring.gpg' },
      },
      {
        uris: ['http://mirror.example.org/debian-security'],
        suites: ['bookworm-security'],
        components: ['main'],
        trust: { 'Signed-By': '/usr/share/keyrings/debian-archive-keyring.gpg' },
      },
    ]);
  });

  it('keep a key that is written into the entry, line by line', () => {
    const key = ' -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----';
    const [source] = parseDeb822Sources(
      `Types: deb\nURIs: http://mirror.example.org/debian\nSuites: trixie\nComponents: main\nSigned-By:\n${key}\n`,
    );
    expect(source?.trust['Signed-By']).toBe(`\n${key}`);
  });

  it('may be for source packages only, which have no binaries', () => {
    expect(parseDeb822Sources(DEB822.replace('deb deb-src', 'deb-src'))).toHaveLength(1);
  });
});

describe('one-line sources', () => {
  it('keep mirror, suite, components and key, whatever the spacing', () => {
    const text =
      'deb  [ arch=amd64 signed-by=/keys/a.gpg,/keys/b.gpg ]  http://mirror.example.org/debian/  bookworm main contrib # site\n';
    expect(parseOneLineSources(text)).toEqual([
      {
        uris: ['http://mirror.example.org/debian/'],
        suites: ['bookworm'],
        components: ['main', 'contrib'],
        trust: { 'Signed-By': '/keys/a.gpg /keys/b.gpg' },
      },
    ]);
  });

  it('may have no options', () => {
    expect(parseOneLineSources('deb http://mirror.example.org/debian bookworm main')).toHaveLength(1);
  });

  it('are passed over when they are comments, sources or discs', () => {
    const text = [
      '# deb http://mirror.example.org/debian bookworm main',
      'deb-src http://mirror.example.org/debian bookworm main',
      'deb cdrom:[Debian 12]/ bookworm main',
    ].join('\n');
    expect(parseOneLineSources(text)).toEqual([]);
  });
});

describe('the archive of the distribution', () => {
  it('comes before a third party that names its suite after the release', () => {
    const thirdParty = parseOneLineSources(
      'deb [signed-by=/keys/vendor.gpg] http://vendor.example.com/apt bookworm main',
    );
    const archives = distributionArchives([...thirdParty, ...parseDeb822Sources(DEB822)], 'bookworm');
    expect(archives.map(({ uris }) => uris[0])).toEqual([
      'http://mirror.example.org/debian',
      'http://vendor.example.com/apt',
    ]);
  });

  it('is never its security or updates part', () => {
    const sources = parseOneLineSources(
      'deb http://mirror.example.org/debian-security bookworm-security main\n' +
        'deb http://mirror.example.org/debian bookworm-updates main',
    );
    expect(distributionArchives(sources, 'bookworm')).toEqual([]);
  });

  it('is found where the sources name no release but a rolling suite', () => {
    const sources = parseOneLineSources('deb http://mirror.example.org/debian stable main');
    expect(distributionArchives(sources, 'bookworm')).toHaveLength(1);
  });

  it('is asked for another suite with nothing else changed', () => {
    const [archive] = distributionArchives(parseDeb822Sources(DEB822), 'bookworm');
    if (!archive) throw new Error('no archive was found');
    expect(formatSource(archive, 'sid', ['main'])).toBe(
      'Types: deb\nURIs: http://mirror.example.org/debian\nSuites: sid\nComponents: main\n' +
        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n',
    );
  });
});
