// Verify the DKIM signatures of a folder of mails with mailauth (npm): a second verifier that shares no code with
// Digest, nor with dkimpy. Never asks the DNS: the zone is a file.
//
//   node mailauth.mjs FOLDER-WITH-node_modules FOLDER-OF-EML ZONE.json
//
// ZONE.json is {name: text of the TXT record}. Prints one JSON document: {file: [{selector, domain, result, comment,
// aligned}]}, the signatures of each mail from the top.
import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

const [installed, folder, zoneFile] = process.argv.slice(2);
const { dkimVerify } = createRequire(path.resolve(installed, 'here.js'))('mailauth/lib/dkim/verify');
const zone = JSON.parse(await readFile(zoneFile, 'utf8'));

async function resolver(name, kind) {
    if (kind === 'TXT' && zone[name] !== undefined) {
        return [[zone[name]]];
    }
    throw Object.assign(new Error(`${name} is not in the zone`), { code: 'ENOTFOUND' });
}

const found = {};
for (const name of (await readdir(folder)).filter(item => item.endsWith('.eml')).sort()) {
    const { results } = await dkimVerify(await readFile(path.join(folder, name)), { resolver });
    found[name] = results.map(({ selector, signingDomain, status }) => ({
        selector,
        domain: signingDomain,
        result: status.result,
        comment: status.comment || '',
        aligned: status.aligned || ''
    }));
}
process.stdout.write(JSON.stringify(found));
