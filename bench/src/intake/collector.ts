import { createServer } from 'node:http';

// Takes spans and drops them, in a process of its own: what a collector costs is no cost of those who send to it.

createServer((request, response) => {
  request.resume().on('end', () => response.end());
}).listen(Number(process.env['PORT']), '127.0.0.1');
