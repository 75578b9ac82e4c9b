//! What a plugin author imports: the WIT world, its types and the task and actor macros.
