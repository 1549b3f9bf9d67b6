/** A command of a page: its words, without variables before it and comments behind it. */
export interface Command {
  readonly words: readonly string[];
  /** Whether it is on lines of its own, to be typed as it is. */
  readonly isBlock: boolean;
}

const FENCE = /^ *```sh\n([\s\S]*?)^ *```/gm;
const INLINE = /`([^`\n]+)`/g;
const PROGRAMS = /^(npm|npx|slipstream|kubectl|docker|helm|nats-server|aws|curl|bash) /;
const VARIABLE = /^[A-Z_]+=/;
/** First and last line of a loop; what is between them counts. */
const LOOP = /^ *(for .* do|done)$/;

/** The commands of a page, in blocks of code and in the text. */
export function commandsOf(markdown: string): Command[] {
  const blocks = [...markdown.matchAll(FENCE)].flatMap(([, text = '']) => linesOf(text));
  const inline = [...markdown.replaceAll(FENCE, '').matchAll(INLINE)]
    .map(([, text = '']) => text)
    .filter((text) => PROGRAMS.test(text));
  return [
    ...blocks.map((line) => ({ words: wordsOf(line), isBlock: true })),
    ...inline.map((line) => ({ words: wordsOf(line), isBlock: false })),
  ].filter(({ words }) => words.length > 0);
}

/** A backslash goes on with the next line. */
function linesOf(text: string): string[] {
  const lines = text.replaceAll(/\\\n */g, ' ').split('\n');
  return lines.filter((line) => !LOOP.test(line));
}

/** As a shell splits them, as far as our pages need one: quotes, comments, pipes and files at the end, variables, `$(…)` as one word. */
function wordsOf(line: string): string[] {
  const words = line.match(/(?:\$\([^)]*\)|'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  const end = words.findIndex((word) => /^(?:[#|>]|<$)/.test(word));
  const spoken = (end < 0 ? words : words.slice(0, end)).map((word) => word.replaceAll(/['"]/g, ''));
  return spoken.slice(spoken.findIndex((word) => !VARIABLE.test(word)));
}

/** What the command line of this project is called with; undefined for another command. */
export function argumentsOfCli(words: readonly string[]): string[] | undefined {
  if (words[0] === 'slipstream') return words.slice(1);
  // In a container the program is its entry point.
  const inContainer = words.join(' ').split(' -- node main.js ')[1];
  if (words[0] === 'kubectl' && inContainer) return inContainer.split(' ');
  const [, program, ...rest] = words.join(' ').match(/^npm run (?:-s )?(cli)(?: --)?(?: (.*))?$/) ?? [];
  return program === undefined ? undefined : (rest[0]?.split(' ') ?? []);
}

/** What links may name in a page: its headings, as GitHub writes them. */
export function anchorsOf(markdown: string): string[] {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => text.toLowerCase());
  return headings.map((text) => text.replaceAll(/\]\([^)]*\)|[^\w\- ]/g, '').replaceAll(' ', '-'));
}

/** Value that follows an option, for each time it is given. */
export function valuesOf(words: readonly string[], ...options: string[]): string[] {
  return words.flatMap((word, index) => (options.includes(word) ? [words[index + 1] ?? ''] : []));
}
