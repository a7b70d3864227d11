// Every attack: its name, the shape of its database, the flags it needs, and what it does.
import floods from "./floods.mjs";
import messages from "./messages.mjs";
import refusals from "./refusals.mjs";
import snapshots from "./snapshots.mjs";
import statements from "./statements.mjs";
import subscriptions from "./subscriptions.mjs";
import unread from "./unread.mjs";
import variables from "./variables.mjs";

export const ATTACKS = [...variables, ...refusals, ...snapshots, ...messages, ...statements, ...subscriptions, ...unread, ...floods];
