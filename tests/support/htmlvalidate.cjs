// What html-validate is asked about our mails: all it recommends but what mail has to do otherwise, each with its reason.
module.exports = {
  root: true,
  extends: ["html-validate:recommended"],
  rules: {
    // Gmail's apps drop style elements for accounts of other providers, so every style is inlined.
    "no-inline-style": "off",
    // Word sizes tables, cells and pictures by their attributes (width, align, cellpadding …) and ignores the styles.
    "no-deprecated-attr": "off",
    // Outlook on Windows gets its table of fixed width in a conditional comment; nobody else reads it.
    "no-conditional-comment": "off",
    // Webmail takes <article> out; a div with a role survives, and with it language and direction.
    "prefer-native-element": "off",
    // The title is the subject, whose length is the editor's; no search engine cuts it.
    "long-title": "off",
  },
};
