import java.io.File;
import java.io.FileInputStream;
import java.util.Arrays;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;

/** Checks every file of a folder against PDF/A-3b; a line for each rule that one breaks. Exit code 1 when one does. */
public final class Validate {
  public static void main(String[] arguments) throws Exception {
    VeraGreenfieldFoundryProvider.initialise();
    System.out.println("rules PDF/A-3b (ISO 19005-3), as veraPDF has them");
    var files = new File(arguments[0]).listFiles();
    Arrays.sort(files);
    int faulty = 0;
    for (File file : files) {
      try (var parser = Foundries.defaultInstance().createParser(new FileInputStream(file), PDFAFlavour.PDFA_3_B);
          var validator = Foundries.defaultInstance().createValidator(PDFAFlavour.PDFA_3_B, false)) {
        var found = validator.validate(parser);
        if (found.isCompliant()) continue;
        faulty++;
        System.out.println("FAILED " + file.getName());
        found.getTestAssertions().stream()
            .filter(each -> each.getStatus() == TestAssertion.Status.FAILED)
            .map(each -> each.getRuleId().getClause() + "-" + each.getRuleId().getTestNumber() + " " + each.getMessage())
            .distinct()
            .forEach(each -> System.out.println("       " + each));
      }
    }
    System.out.println(files.length - faulty + " of " + files.length + " files passed");
    System.exit(faulty == 0 ? 0 : 1);
  }
}
