import type { Command } from 'commander';
import type { Permissions } from '@slipstream/jetstream';
import type { Run } from '../program.js';

const HEADER = `# What each role may do, as the code declares it. Generated: npm run -s cli -- permissions
`;

export function addPermissionsCommand(program: Command, run: Run): void {
  program
    .command('permissions')
    .description("print what each role may do, for the NATS server's configuration; needs no server")
    .action(
      run(async ({ output }) => {
        const { permissionsOfRoles } = await import('../../../system.js');
        const roles = permissionsOfRoles();
        const config = serverConfig(roles);
        output.result('permissions', { roles: Object.fromEntries(roles), config }, () =>
          output.line(config.trimEnd()),
        );
      }),
    );
}

/** A variable for each role, such as `$PERMISSIONS_ORDER_SERVICE`, to be used as the permissions of its users. */
export function serverConfig(roles: ReadonlyMap<string, Permissions>): string {
  const variables = [...roles].map(
    ([role, { publish, subscribe }]) =>
      `${variableOf(role)}: {\n` +
      `  publish: {\n    allow: ${list(publish.allow)}\n` +
      `${publish.deny ? `    deny: ${list(publish.deny)}\n` : ''}  }\n` +
      `  subscribe: {\n    allow: ${list(subscribe.allow)}\n  }\n}\n`,
  );
  return [HEADER, ...variables].join('\n');
}

function variableOf(role: string): string {
  // Without a prefix some would be options of the server.
  return `PERMISSIONS_${role.toUpperCase().replaceAll('-', '_')}`;
}

function list(subjects: readonly string[]): string {
  return `[\n${subjects.map((subject) => `      ${JSON.stringify(subject)}\n`).join('')}    ]`;
}
