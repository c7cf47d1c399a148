// nodemailer as it is fastest: its pool, connections that stay open, its own DKIM signer, and a template that is
// split once and joined for each reader.
//
//   node nodemailer.mjs FOLDER PORT COUNT CONNECTIONS ISSUE KEY ENCODING [CA]
//
// FOLDER holds node_modules; ENCODING is quoted-printable (its default) or base64 (its fastest); with CA the
// connections are upgraded by STARTTLS and checked.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, port, count, connections, issueFile, keyFile, encoding, ca] = process.argv.slice(2);
const nodemailer = createRequire(join(folder, 'package.json'))('nodemailer');
const issue = JSON.parse(readFileSync(issueFile, 'utf8'));

const split = (template) => template.split(/\{\{(\w+)\}\}/);
const pages = { html: split(issue.html), text: split(issue.text) };
const escape = (value) => value.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const fill = (parts, values, clean) => parts.map((part, at) => (at % 2 ? clean(values[part]) : part)).join('');

const transport = nodemailer.createTransport({
  host: '127.0.0.1',
  port: Number(port),
  pool: true,
  maxConnections: Number(connections),
  maxMessages: Infinity,
  ignoreTLS: !ca,
  requireTLS: Boolean(ca),
  tls: ca ? { ca: [readFileSync(ca)] } : undefined,
  dkim: { domainName: 'example.com', keySelector: 'rsa', privateKey: readFileSync(keyFile, 'utf8') },
});

function mail(number) {
  const email = `reader${number}@example.com`;
  const url = `https://news.example.com/u/${String(number).padStart(11, '0')}.${'s'.repeat(43)}`;
  const values = { email, signed_up_on: '1 March 2026', unsubscribe_url: url };
  return {
    from: 'The Desk <desk@example.com>',
    to: email,
    subject: issue.content.subject,
    html: fill(pages.html, values, escape),
    text: fill(pages.text, values, (value) => value),
    textEncoding: encoding,
    list: { unsubscribe: url, id: { url: 'bench.example.com', comment: 'The Bench Post' } },
    headers: { 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' },
  };
}

let next = 1;
async function work() {
  while (next <= Number(count)) await transport.sendMail(mail(next++));
}

// Two callers a connection, so that none waits for the next message.
await Promise.all(Array.from({ length: 2 * Number(connections) }, work));
transport.close();
