"""What happened beside changes of tasks: sign-ins, refusals, what operators did."""

from peewee import IntegerField, Model, TextField


def up(migrator, db):
    class Act(Model):
        rev = IntegerField()
        at = TextField()
        kind = TextField()
        who = TextField()
        detail = TextField()
        count = IntegerField()

        class Meta:
            database = db
            table_name = "act"

    db.create_tables([Act], safe=False)
