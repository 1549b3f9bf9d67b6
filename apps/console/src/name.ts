import { Matches } from 'class-validator';

/** What NATS takes as the name of a stream or consumer. */
export const isName = () =>
  Matches(/^[^\s.*>/\\]{1,255}$/, {
    message: '$property must be a name, without spaces, ".", "*", ">", "/" and "\\"',
  });
